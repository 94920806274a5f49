"""Flickr8k on CPUs, first stage: the contrast alone, over grids of a frozen ResNet-50; MiniLM is trained.

python tools/cache_grids.py configs/flickr8k/grids.py data/flickr8k_grids    # once
python tools/train.py configs/flickr8k/contrast.py --amp
python tools/train.py configs/flickr8k/retrieval.py --amp                    # second stage
"""

_base_ = [
    '../_base_/models/sacl_small_grid.py',
    '../_base_/datasets/flickr8k_grid.py',
    '../_base_/schedules/finetune.py',
    '../_base_/default_runtime.py',
]

model = dict(
    _delete_=True,
    type='DualEncoder',
    data_preprocessor={{_base_.model.data_preprocessor}},
    towers={{_base_.model.towers}},
    contrastive_loss={{_base_.model.contrastive_loss}},
)
train_dataloader = dict(batch_size=256)
optim_wrapper = dict(
    optimizer=dict(lr=1e-3),
    clip_grad=dict(max_norm=3.0),
    paramwise_cfg=dict(custom_keys={'towers.text_backbone': dict(lr_mult=0.1)}),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=30, by_epoch=False),
    dict(type='CosineAnnealingLR', eta_min_ratio=0.02, by_epoch=True, begin=0, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=3, val_interval=3)
