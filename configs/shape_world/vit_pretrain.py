"""pretrain.py with a ViT that learns on and may merge tokens.

    python tools/train.py configs/shape_world/vit_backbone.py --amp
    python tools/train.py configs/shape_world/vit_pretrain.py --amp
    python tools/train.py configs/shape_world/vit_pretrain.py --amp --cfg-options model.towers.vision_backbone.keep_rate=0.5

The last with the share of tokens that pretrain_light.py keeps. $BACKBONE: another checkpoint of the ViT.
"""

_base_ = ['./pretrain.py', '../_base_/models/tiny_vit.py']

model = dict(
    towers=dict(
        vision_backbone=dict(
            _delete_=True,
            type='TokenReducedViT',
            arch={{_base_.vit.arch}},
            img_size={{_base_.vit.img_size}},
            patch_size={{_base_.vit.patch_size}},
            patch_cfg={{_base_.vit.patch_cfg}},
            frozen_stages={{_base_.vit.frozen_stages}},
            guide={{_base_.vit.guide}},
            reduction_layers={{_base_.vit.reduction_layers}},
            keep_rate=1.0,
            init_cfg=dict(
                type='Pretrained',
                checkpoint='{{$BACKBONE:work_dirs/shape_world/vit_backbone/epoch_4.pth}}',
                prefix='backbone.',
            ),
        ),
        freeze_backbone=False,  # nothing has taught its class token yet
    )
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'vision_backbone': dict(lr_mult=0.3)}))
