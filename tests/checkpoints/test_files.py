"""What files are read, and that their content is what was written. What is refused: tests/cases/test_checkpoints.py."""

import pytest
import torch
from safetensors.torch import save_file

from sacl_mm.checkpoints import read_plain, read_state_dict, verify_checkpoint

STATE = dict(x=torch.arange(3), half=torch.randn(2, 3).half(), none=torch.zeros(0, 3), view=torch.randn(6, 4).t()[1:])


def save(path, layout: str):
    if layout == 'safetensors':
        save_file({key: value.contiguous() for key, value in STATE.items()}, path)
    else:
        torch.save(STATE, path, _use_new_zipfile_serialization=layout == 'zip')
    return path


@pytest.mark.parametrize('in_place', [True, False], ids=['in place', 'in memory'])
@pytest.mark.parametrize('layout', ['zip', 'before PyTorch 1.6', 'safetensors'])
@pytest.mark.parametrize('suffix', ['.pth', '.bin', '', None], ids=['pth', 'bin', 'no suffix', 'its own'])
def test_the_kind_of_a_file_is_told_by_its_content(tmp_path, layout, suffix, in_place):
    own = '.safetensors' if layout == 'safetensors' else '.pt'
    path = save(tmp_path / f'a{own if suffix is None else suffix}', layout)
    verify_checkpoint(path)
    read = read_plain(path, in_place=in_place)
    assert read.keys() == STATE.keys()
    for key, value in STATE.items():
        assert read[key].dtype == value.dtype
        assert torch.equal(read[key], value)


def test_a_file_that_is_only_peeked_at_is_not_verified(tmp_path):
    path = save(tmp_path / 'a.pth', 'zip')
    content = bytearray(path.read_bytes())
    start = content.index(STATE['view'].t().contiguous().numpy().tobytes()[:8])
    content[start] ^= 1
    path.write_bytes(content)
    assert set(read_plain(path, verify=False)) == set(STATE)
    with pytest.raises(ValueError, match=r'a\.pth. is damaged \(the checksum of .*/data/\d differs\)'):
        read_plain(path)


def test_a_file_that_was_written_without_checksums_is_read(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        path = save(tmp_path / 'a.pth', 'zip')
    finally:
        torch.serialization.set_crc32_options(True)
    assert torch.equal(read_plain(path)['x'], STATE['x'])


def test_the_state_dict_of_a_file(tmp_path):
    path = tmp_path / 'a.pth'
    torch.save(dict(model={'module.x': STATE['x']}, epoch=4, config=dict(a=1)), path)
    state = read_state_dict(path)
    assert list(state) == ['x']
    assert torch.equal(state['x'], STATE['x'])
    torch.save([1], path)
    with pytest.raises(ValueError, match=r"the start '.*a\.pth' holds a list"):
        read_state_dict(path, 'the start')
