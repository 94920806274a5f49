"""flickr8k_contrast.py with a small ViT over the frozen ResNet-50's cells, which may drop some of them on its way.

    python tools/cache_grids.py configs/sacl/flickr8k_grids.py data/flickr8k_grids    # once
    python tools/train.py configs/sacl/flickr8k_hybrid_contrast.py --amp

A ViT over a CNN's cells instead of pixels is the hybrid of Dosovitskiy et al. (arXiv 2010.11929, section 3.1). Here it has
49 cells and a class token, whose attention says what stays. With 70 % of the tokens, twice:
--cfg-options model.towers.backbone.keep_rate=0.7. docs/results.md has the numbers.
"""

_base_ = ['./flickr8k_contrast.py']

model = dict(
    towers=dict(
        backbone=dict(
            _delete_=True,  # in the place of None
            type='TokenReducedViT',
            arch=dict(embed_dims=256, num_layers=4, num_heads=4, feedforward_channels=1024),
            in_channels=3072,
            img_size=7,  # cells a side
            patch_size=1,
            guide='class',
            reduction_layers=(2, 3),
            keep_rate=1.0,  # no reduction
        ),
        neck=dict(_delete_=True, type='ImageTokenNeck', in_channels=256),
        image_head=None,
    )
)
# The schedule gives backbones five times the rate, for those that are trained already; this one is new.
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'towers.backbone': dict(lr_mult=1.0)}))
train_cfg = dict(max_epochs=2, val_interval=2)

load = dict(type='LoadImageGrid', root='{{$GRIDS:data/flickr8k_grids}}', size=(7, 7))
flip = dict(type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal')
train_dataloader = dict(dataset=dict(pipeline=[load, flip, {{_base_.tokenize}}, {{_base_.pack}}]))
val_dataloader = dict(dataset=dict(pipeline=[load, {{_base_.tokenize}}, {{_base_.pack}}]))
test_dataloader = val_dataloader
