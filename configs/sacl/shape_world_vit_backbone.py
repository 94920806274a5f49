"""shape_world_backbone.py with a ViT: the image encoder with which token reduction is measured in the embedded world.

    python tools/train.py configs/sacl/shape_world_vit_backbone.py --amp

Pre-training goes on from it: shape_world_vit_pretrain.py.
"""

_base_ = ['./shape_world_backbone.py', '../_base_/models/tiny_vit.py']

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmpretrain.VisionTransformer',
        arch={{_base_.vit.arch}},
        img_size={{_base_.vit.img_size}},
        patch_size={{_base_.vit.patch_size}},
        patch_cfg={{_base_.vit.patch_cfg}},
        out_type='featmap',
    )
)
train_dataloader = dict(dataset=dict(grid=8))
val_dataloader = dict(dataset=dict(grid=8))
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=1e-3))
train_cfg = dict(max_epochs=4, val_interval=4)
