"""backbone.py with a ViT: the image encoder with which token reduction is measured in the embedded world.

    python tools/train.py configs/shape_world/vit_backbone.py --amp

It learns as well which cells are empty: 60 of 64 are. Pre-training goes on from it: vit_pretrain.py.
"""

_base_ = ['./backbone.py', '../_base_/models/tiny_vit.py']

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmpretrain.VisionTransformer',
        arch={{_base_.vit.arch}},
        img_size={{_base_.vit.img_size}},
        patch_size={{_base_.vit.patch_size}},
        patch_cfg={{_base_.vit.patch_cfg}},
        out_type='featmap',
    ),
    head=dict(num_values=[6, 8, 2, 4, 2]),
)
train_dataloader = dict(dataset=dict(grid=8, presence=True))
val_dataloader = dict(dataset=dict(grid=8, presence=True))
test_dataloader = val_dataloader
val_evaluator = dict(attributes=['shape', 'colour', 'size', 'texture', 'presence'])
test_evaluator = val_evaluator
optim_wrapper = dict(optimizer=dict(lr=1e-3))
train_cfg = dict(max_epochs=4, val_interval=4)
