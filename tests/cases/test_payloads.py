"""A payload at every place that loads something: none of them may run it.

The payload creates a file. As a pickle it does so while it is unpickled, as a configuration while it is executed.
"""

import io
import os
import pickle
import runpy
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tool_in_process
import torch
from mmengine.config import Config
from mmengine.hooks import EMAHook
from mmengine.model import BaseModel, BaseModule
from mmengine.runner import Runner, load_checkpoint
from payloads import Payload, code_for
from tiny import build, model_config
from torch import nn
from torch.utils.data import DataLoader

from sacl_mm.checkpoints import read_plain, read_state_dict, verify_checkpoint
from sacl_mm.datasets import CachedFeatures
from sacl_mm.engine import PlainCheckpointHook
from sacl_mm.engine.checks.weights import check_checkpoint, check_pretrained_parts
from sacl_mm.engine.launch import check_start
from sacl_mm.engine.runner.partial_scores import PartialScores
from sacl_mm.engine.runner.sharding_runner import ShardingStrategy
from sacl_mm.inference.trained_model import load_model
from sacl_mm.layers.bert_checkpoint import load_bert
from sacl_mm.models.reference import FrozenReference
from sacl_mm.report.retrieval import embed

ROOT = Path(__file__).parents[2]
CONFIG = 'configs/shape_world/infonce.py'
CONVERTER = ROOT / 'tools' / 'model_converters' / 'convert.py'
STATE = {'layer.weight': torch.zeros(2, 2), 'layer.bias': torch.zeros(2)}


@pytest.fixture
def target(tmp_path):
    """What a payload would create; asserted to be absent after the test."""
    path = tmp_path / 'created'
    yield path
    assert not path.exists(), 'the payload was run'


def test_the_payloads_work(tmp_path):
    """Else nothing here means anything."""
    pickle.loads(pickle.dumps(Payload(tmp_path / 'a')))
    Config.fromstring(code_for(tmp_path / 'b'), '.py')
    torch.save(dict(x=Payload(tmp_path / 'c')), tmp_path / 'c.pth')
    torch.load(tmp_path / 'c.pth', weights_only=False)
    np.save(tmp_path / 'd.npy', np.array([Payload(tmp_path / 'd')], dtype=object), allow_pickle=True)
    np.load(tmp_path / 'd.npy', allow_pickle=True)
    assert all((tmp_path / name).exists() for name in 'abcd')


# ------------------------------------------------------------------------------------------------------ checkpoints
def beside_the_weights(path: Path, target: Path) -> None:
    torch.save(dict(state_dict=STATE, meta=dict(epoch=1, iter=1), other=Payload(target)), path)


def among_the_weights(path: Path, target: Path) -> None:
    torch.save(dict(state_dict=STATE | dict(x=Payload(target))), path)


def as_the_checkpoint(path: Path, target: Path) -> None:
    torch.save(Payload(target), path)


def in_the_older_format(path: Path, target: Path) -> None:
    torch.save(dict(state_dict=STATE, other=Payload(target)), path, _use_new_zipfile_serialization=False)


def in_the_message_hub(path: Path, target: Path) -> None:
    hub = dict(log_scalars=dict(loss=Payload(target)), runtime_info={}, resumed_keys={})
    torch.save(dict(state_dict=STATE, meta=dict(epoch=1, iter=1), message_hub=hub), path)


def as_a_bare_pickle(path: Path, target: Path) -> None:
    path.write_bytes(pickle.dumps(dict(state_dict=Payload(target))))


def in_a_torchscript_archive(path: Path, target: Path) -> None:
    content = io.BytesIO()
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), content)
    with zipfile.ZipFile(content) as source, zipfile.ZipFile(path, 'w') as archive:
        for name in source.namelist():
            bad = name.endswith('/data.pkl')
            archive.writestr(name, pickle.dumps(Payload(target), protocol=2) if bad else source.read(name))


PICKLES = {
    'beside the weights': beside_the_weights,
    'among the weights': among_the_weights,
    'as the checkpoint': as_the_checkpoint,
    "in PyTorch's older format": in_the_older_format,
    'in the message hub': in_the_message_hub,
    'as a bare pickle': as_a_bare_pickle,
    'in a TorchScript archive': in_a_torchscript_archive,
}


class Toy(BaseModel):
    """One linear layer."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.layer = nn.Linear(2, 2)

    def forward(self, inputs, mode='tensor'):
        return dict(loss=self.layer(inputs).sum())


class Part(BaseModule):
    def __init__(self, path: Path) -> None:
        super().__init__(dict(type='Pretrained', checkpoint=str(path)))
        self.layer = nn.Linear(2, 2)


def runner(path: Path, **options) -> Runner:
    return Runner(
        Toy(),
        str(path.parent / 'work'),
        train_dataloader=DataLoader([dict(inputs=torch.zeros(2))] * 2),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        custom_hooks=[PlainCheckpointHook(), PlainCheckpointHook()],
        default_scope='sacl_mm',
        experiment_name=path.parent.name,
        log_level='ERROR',
        **options,
    )


def convert(path: Path, conversion: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('sys.argv', [str(CONVERTER), conversion, str(path), str(path.with_name('converted.pth'))])
        runpy.run_path(str(CONVERTER), run_name='__main__')


def load_a_bert(path: Path) -> None:
    folder = path.with_name('bert')
    folder.mkdir()
    (folder / 'config.json').write_text('{"model_type": "bert", "hidden_size": 8, "num_attention_heads": 2}')
    os.replace(path, folder / 'pytorch_model.bin')
    load_bert(str(folder))


def report_of(path: Path) -> None:
    embed(Config(dict(model=model_config(), val_dataloader=dict())), path, 'val')


def load_sharded(path: str) -> dict:
    """As FlexibleRunner asks for it."""
    strategy = ShardingStrategy(work_dir=os.path.dirname(path))
    strategy.model = Toy()
    return strategy.load_checkpoint(path)


CHECKPOINT_PLACES = {
    'read_plain': read_plain,
    'read_plain in place': lambda path: read_plain(path, in_place=True),
    'read_plain of a file that is peeked at': lambda path: read_plain(path, verify=False),
    'verify_checkpoint': verify_checkpoint,
    'read_state_dict': read_state_dict,
    'tools/train.py: load_from': lambda path: check_start(Config(dict(load_from=str(path)))),
    'tools/train.py --resume, tools/test.py': lambda path: check_checkpoint(path, 'checkpoint'),
    'a run that starts': lambda path: runner(path, load_from=str(path)).train(),
    'a run that is resumed': lambda path: runner(path, load_from=str(path), resume=True).train(),
    'a run with an average of weights': lambda path: (
        runner(path).register_hook(EMAHook()) or runner(path).resume(str(path))
    ),
    'shard=True': lambda path: load_sharded(str(path)),
    "MMEngine's load_checkpoint": lambda path: load_checkpoint(Toy(), str(path)),
    'the inferencer': lambda path: load_model(Config(dict(model=model_config())), path),
    'reference_checkpoint': lambda path: FrozenReference(build().towers, str(path)).load(),
    'the check of init_cfg': lambda path: check_pretrained_parts(Part(path)),
    'init_cfg': lambda path: Part(path).init_weights(),
    'BERT': load_a_bert,
    'from-albef': lambda path: convert(path, 'from-albef'),
    'to-albef': lambda path: convert(path, 'to-albef'),
    'from-clip': lambda path: convert(path, 'from-clip'),
    'cached features': lambda path: CachedFeatures(str(path)),
    'the report': report_of,
}


@pytest.mark.parametrize('place', CHECKPOINT_PLACES.values(), ids=CHECKPOINT_PLACES)
@pytest.mark.parametrize('write', PICKLES.values(), ids=PICKLES)
def test_a_pickle_in_a_checkpoint_is_not_run(tmp_path, target, write, place):
    write(tmp_path / 'a.pth', target)
    with pytest.raises(
        (Exception, SystemExit), match=r'holds more than tensors|is a TorchScript|cannot be read as data'
    ):
        place(tmp_path / 'a.pth')


@pytest.mark.parametrize('write', PICKLES.values(), ids=PICKLES)
def test_a_pickle_in_partial_scores_is_not_run(tmp_path, target, write):
    write(tmp_path / 'a.pth', target)
    assert PartialScores(tmp_path / 'a.pth', 'fingerprint').scores == {}


# --------------------------------------------------------------------------------- the configuration in a checkpoint
def with_a_configuration(path: Path, target: Path) -> None:
    meta = dict(epoch=1, iter=2, config=code_for(target), cfg=code_for(target), seed=0)
    optimizer = torch.optim.SGD(Toy().parameters(), 0.1).state_dict()
    hub = dict(log_scalars={}, runtime_info={}, resumed_keys={})
    checkpoint = dict(state_dict=STATE, meta=meta, optimizer=optimizer, message_hub=hub, config=code_for(target))
    torch.save(checkpoint | dict(ema_state_dict=STATE), path)


@pytest.mark.parametrize('resume', [True, False], ids=['resumed', 'started'])
@pytest.mark.parametrize('hooks', [[], [dict(type='mmengine.EMAHook')]], ids=['plain', 'with an average of weights'])
def test_the_configuration_in_a_checkpoint_is_not_run(tmp_path, target, resume, hooks):
    with_a_configuration(tmp_path / 'a.pth', target)
    run = runner(tmp_path / 'a.pth', load_from=str(tmp_path / 'a.pth'), resume=resume)
    for hook in hooks:
        run.register_hook(hook)
    run.train()
    assert run.epoch == 1


@pytest.mark.parametrize('method', ['load_checkpoint', 'resume'])
def test_nor_by_a_runner_that_is_asked(tmp_path, target, method):
    with_a_configuration(tmp_path / 'a.pth', target)
    run = runner(tmp_path / 'a.pth')
    run.train_loop  # noqa: B018  (built, as in a training)
    run.optim_wrapper = run.build_optim_wrapper(run.optim_wrapper)
    getattr(run, method)(str(tmp_path / 'a.pth'))


def test_nor_by_an_inferencer(tmp_path, target):
    meta = dict(config=code_for(target), cfg=code_for(target))
    torch.save(dict(state_dict=build().state_dict(), config=code_for(target), meta=meta), tmp_path / 'a.pth')
    load_model(Config(dict(model=model_config())), tmp_path / 'a.pth', 'cpu')


@pytest.mark.parametrize(
    'read', [lambda path: load_checkpoint(Toy(), path), load_sharded], ids=['Runner', 'shard=True']
)
def test_what_mmengine_loads_has_no_configuration(tmp_path, target, read):
    with_a_configuration(tmp_path / 'a.pth', target)
    assert set(read(str(tmp_path / 'a.pth'))['meta']) == {'epoch', 'iter', 'seed', 'cfg'}


def test_nor_by_the_command_line(tmp_path, target, monkeypatch):
    small = ['vision_backbone.base_channels=8', 'vision_backbone.stem_channels=8', 'neck.in_channels=64']
    options = [f'model.towers.{option}' for option in small]
    options += ['train_dataloader.dataset.num_images=16', 'train_dataloader.batch_size=8']

    def train(epochs: int, *resume: str) -> None:
        arguments = [CONFIG, '--no-validate', '--work-dir', tmp_path, *resume]
        tool_in_process.run(
            monkeypatch, 'train', *arguments, '--cfg-options', *options, f'train_cfg.max_epochs={epochs}'
        )

    train(1)
    checkpoint = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)
    checkpoint['meta']['config'] = code_for(target)
    torch.save(checkpoint, tmp_path / 'epoch_1.pth')
    train(2, '--resume', str(tmp_path / 'epoch_1.pth'))
    assert (tmp_path / 'epoch_2.pth').exists()
