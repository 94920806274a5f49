import pickle
import zipfile

import pytest
import torch
from torch import nn

from sacl_mm.checkpoints import read_state_dict
from sacl_mm.checkpoints.torchscript import is_torchscript, read_torchscript_tensors


class Scripted(nn.Module):
    """Nested modules, a module list, half precision, a transposed view, an empty tensor, attributes that are no tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.layers = nn.ModuleList([nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))])
        self.attention = nn.MultiheadAttention(4, 2)
        self.precise = nn.Parameter(torch.randn(2, 3).half())
        self.register_buffer('count', torch.tensor(7))
        self.register_buffer('view', torch.randn(6, 4).t()[1:])
        self.register_buffer('empty', torch.zeros(0, 3))
        self.sizes, self.name = [1, 2, 3], 'clip'

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers[1](self.layers[0](self.first(x)))


@pytest.fixture
def archive(tmp_path):
    torch.manual_seed(0)
    torch.jit.script(Scripted()).save(tmp_path / 'scripted.pt')
    return tmp_path / 'scripted.pt'


def test_the_tensors_of_an_archive_are_those_that_pytorch_loads(archive):
    expected = torch.jit.load(archive).state_dict()
    for read in (read_torchscript_tensors(archive), read_state_dict(archive)):
        assert read.keys() == expected.keys()
        for key, value in expected.items():
            assert read[key].dtype == value.dtype
            assert torch.equal(read[key], value)


def with_content(archive, name: str, content: bytes):
    """A copy with one file of the archive replaced."""
    path = archive.with_name('changed.pt')
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(path, 'w') as target:
        for item in source.namelist():
            target.writestr(item, content if item.endswith(name) else source.read(item))
    return path


class Attack:
    """Pickles to a call."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return open, (str(self.path), 'w')


def test_nothing_in_a_file_is_run(archive, tmp_path):
    target = tmp_path / 'written'
    changed = with_content(archive, '/data.pkl', pickle.dumps(Attack(target), protocol=2))
    with pytest.raises(ValueError, match='not among the types that are read'):
        read_state_dict(changed)
    torch.save(dict(state_dict=dict(x=torch.zeros(1)), other=Attack(target)), tmp_path / 'attack.pth')
    with pytest.raises(ValueError, match='could run code'):
        read_state_dict(tmp_path / 'attack.pth')
    assert not target.exists()


def test_a_broken_archive_is_an_error(archive):
    with pytest.raises(ValueError, match='cannot read the tensors'):
        read_state_dict(with_content(archive, '/data/0', b'abc'))
    with pytest.raises(ValueError, match='holds no module'):
        read_state_dict(with_content(archive, '/data.pkl', pickle.dumps([1, 2], protocol=2)))


@pytest.mark.parametrize('under', ['state_dict', 'model', None])
def test_where_a_file_may_have_its_state_dict(tmp_path, under):
    path = tmp_path / 'checkpoint.pth'
    state = dict(x=torch.arange(3))
    torch.save(state if under is None else {under: state, 'epoch': 4, 'config': dict(a=1)}, path)
    assert not is_torchscript(path)
    assert torch.equal(read_state_dict(path)['x'], state['x'])


def test_files_without_a_state_dict_are_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match='does not exist'):
        read_state_dict(tmp_path / 'none.pth')
    torch.save(dict(epoch=3), tmp_path / 'empty.pth')
    with pytest.raises(ValueError, match='holds no state dict'):
        read_state_dict(tmp_path / 'empty.pth')
    torch.save([torch.zeros(2)], tmp_path / 'list.pth')
    with pytest.raises(ValueError, match='holds no state dict'):
        read_state_dict(tmp_path / 'list.pth')
    (tmp_path / 'text.pth').write_text('hello there')
    with pytest.raises(ValueError, match='is no checkpoint of PyTorch'):
        read_state_dict(tmp_path / 'text.pth')
