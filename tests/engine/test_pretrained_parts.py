"""Parts that start from a file of their own: what fits, and what each misfit is told."""

import pytest
import torch
from mmengine.model import BaseModule
from torch import nn

import sacl_mm.engine  # noqa: F401  (MMEngine then reads files as the project does)
from sacl_mm.engine.checks.weights import check_pretrained_parts
from sacl_mm.user_error import UserError


class Part(BaseModule):
    def __init__(self, init_cfg=None):
        super().__init__(init_cfg)
        self.layer, self.norm = nn.Linear(2, 3), nn.BatchNorm1d(3)
        self.text_queries = nn.Linear(2, 2)


class Model(BaseModule):
    """As MMEngine's `init_weights` reaches it, which knows of no `ModuleDict`."""

    def __init__(self, **init_cfg):
        super().__init__()
        self.towers = BaseModule()
        self.towers.vision_backbone = Part(dict(type='Pretrained', **init_cfg))


NEEDED = {
    key: value + 1
    for key, value in Part().state_dict().items()
    if 'num_batches' not in key and 'text_queries' not in key
}


@pytest.fixture
def check(tmp_path):
    """Save a checkpoint and start a model from it."""
    path = tmp_path / 'start.pth'

    def call(checkpoint, **options):
        torch.save(checkpoint, path)
        model = Model(checkpoint=str(path), **options)
        before = {key: value.clone() for key, value in model.state_dict().items()}
        check_pretrained_parts(model)
        torch.testing.assert_close(dict(model.state_dict()), before)  # nothing is changed
        model.init_weights()
        torch.testing.assert_close(model.towers.vision_backbone.layer.weight, NEEDED['layer.weight'])

    return call


def prefixed(prefix, state=NEEDED):
    return {prefix + key: value for key, value in state.items()}


def test_what_fits(check):
    check(NEEDED)
    check(dict(state_dict=NEEDED | dict(head=torch.zeros(1)), meta=dict(epoch=1)))
    check(prefixed('backbone.') | {'head.weight': torch.zeros(1)}, prefix='backbone.')
    check(prefixed('module.'))
    check(dict(model=NEEDED))
    check(prefixed('_orig_mod.backbone.'), prefix='backbone.')
    check(prefixed('backbone.'), prefix='backbone')


def test_what_does_not(check):
    incomplete = {key: value for key, value in NEEDED.items() if key != 'layer.bias'}
    where = r"start\.pth', from which towers\.vision_backbone is to start, does not fit"
    with pytest.raises(UserError, match=where + r'.* it lacks 1 weights: layer\.bias'):
        check(incomplete)
    with pytest.raises(UserError, match=where + r'.*size mismatch for layer\.bias.*\[4\]'):
        check(NEEDED | {'layer.bias': torch.zeros(4)})
    with pytest.raises(
        UserError, match=r'with prefix=None it lacks 6 weights.*, \.\.\.; its first key is backbone\.layer'
    ):
        check(prefixed('backbone.'))
    with pytest.raises(UserError, match=r"with prefix='backbone\.' it lacks 6 weights.*first key is layer\.weight"):
        check(NEEDED, prefix='backbone.')
    with pytest.raises(
        UserError, match=r'from which towers\.vision_backbone is to start, has NaN or infinity in 1 of .*: layer\.bias'
    ):
        check(NEEDED | {'layer.bias': torch.full((3,), torch.nan)})
    with pytest.raises(UserError, match=r'start of towers\.vision_backbone: .* holds a list'):
        check([1])


@pytest.mark.parametrize('content', [b'', b'hello there', None], ids=['empty', 'text', 'no file'])
def test_what_is_no_checkpoint(tmp_path, content):
    path = tmp_path / 'start.pth'
    if content is not None:
        path.write_bytes(content)
    message = {None: 'does not exist', b'': 'is empty'}.get(content, 'cannot be read as data')
    with pytest.raises(UserError, match=rf'start of towers\.vision_backbone: .*start\.pth. {message}'):
        check_pretrained_parts(Model(checkpoint=str(path)))


def test_remote_files_are_left_to_mmengine():
    check_pretrained_parts(Model(checkpoint='https://nowhere.invalid/start.pth'))
