"""Flickr8k on CPUs, second stage: contrast and matching, measured with re-ranking; contrast.py comes first.

    python tools/train.py configs/flickr8k/retrieval.py --amp
    python tools/test.py configs/flickr8k/retrieval.py work_dirs/flickr8k/retrieval/epoch_2.pth --amp

With 70 % of an image's tokens in the fusion encoder:

    python tools/train.py configs/flickr8k/retrieval.py --amp --cfg-options \\
        model.towers.neck.type=TokenReductionNeck model.towers.neck.keep_rate=0.7

$CONTRAST: another checkpoint of the first stage. docs/results.md has the numbers.
"""

_base_ = [
    '../_base_/models/sacl_small_grid.py',
    '../_base_/datasets/flickr8k_grid.py',
    '../_base_/schedules/finetune.py',
    '../_base_/default_runtime.py',
]

load_from = '{{$CONTRAST:work_dirs/flickr8k/contrast/epoch_3.pth}}'
default_hooks = dict(loading=dict(allow=['multimodal_backbone.', 'matching_head.']))  # new in this stage
train_dataloader = dict(batch_size=128)
optim_wrapper = dict(
    optimizer=dict(lr=5e-4),
    clip_grad=dict(max_norm=3.0),
    paramwise_cfg=dict(
        custom_keys={
            'towers.text_backbone': dict(lr_mult=0.1),
            # Learned in the first stage, from batches twice as large.
            'towers.image_projection': dict(lr_mult=0.2),
            'towers.text_projection': dict(lr_mult=0.2),
            'cross_attention': dict(lr_mult=2.0),
            'matching_head': dict(lr_mult=2.0),
        }
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=30, by_epoch=False),
    dict(type='CosineAnnealingLR', eta_min_ratio=0.02, by_epoch=True, begin=0, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=2, val_interval=2)
val_cfg = dict(_delete_=True, type='RerankingValLoop', k=16, score='itm+itc/temperature')
test_cfg = dict(_delete_=True, type='RerankingTestLoop', k=16, score='itm+itc/temperature')
