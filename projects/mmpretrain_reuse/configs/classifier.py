"""How many objects are there? mmpretrain's ImageClassifier with our neck and evaluator. Any transformers.

The backbone starts from `mocov3_sacl.py`'s, or from random weights with `model.backbone.init_cfg=None`.
"""

default_scope = 'mmpretrain'
# The second lets mmpretrain load beside transformers >= 4.52; with an older one leave it out.
custom_imports = dict(imports=['sacl_mm', 'sacl_mm.models.backbones'])
data_root = '{{$DATA:data/mmpretrain_reuse}}'

model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(mean=[127.5] * 3, std=[64.0] * 3, to_rgb=True, num_classes=4),
    backbone=dict(
        type='ResNet',
        depth=18,
        stem_channels=16,
        base_channels=16,
        init_cfg=dict(
            type='Pretrained', checkpoint='{{$BACKBONE:work_dirs/mocov3_sacl/epoch_10.pth}}', prefix='backbone.'
        ),
    ),
    neck=[
        dict(type='sacl_mm.ImageTokenNeck', in_channels=128, out_channels=64, num_layers=1),
        dict(type='sacl_mm.FirstTokenNeck'),
    ],
    head=dict(type='LinearClsHead', num_classes=4, in_channels=64),
)

train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='CustomDataset',
        data_root=data_root,
        data_prefix='train',
        pipeline=[dict(type='LoadImageFromFile'), dict(type='RandomFlip', prob=0.5), dict(type='PackInputs')],
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CustomDataset',
        data_root=data_root,
        data_prefix='val',
        pipeline=[dict(type='LoadImageFromFile'), dict(type='PackInputs')],
    ),
)
test_dataloader = val_dataloader
val_evaluator = [dict(type='sacl_mm.RankingMetric', topk=(1, 2)), dict(type='Accuracy')]
test_evaluator = val_evaluator

train_cfg = dict(by_epoch=True, max_epochs=5)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05))
custom_hooks = [dict(type='sacl_mm.PlainCheckpointHook')]
default_hooks = dict(logger=dict(type='LoggerHook', interval=16))
randomness = dict(seed=0)
