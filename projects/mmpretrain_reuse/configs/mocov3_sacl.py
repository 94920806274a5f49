"""mmpretrain's MoCo v3 on the embedded world, with SACL's loss between the two views. Any transformers.

What is ours: `neck`, `head`, the dataset, and the hook without which torch >= 2.6 does not load mmengine's checkpoints.
"""

default_scope = 'mmpretrain'
# The second lets mmpretrain load beside transformers >= 4.52; with an older one leave it out.
custom_imports = dict(imports=['sacl_mm', 'sacl_mm.models.backbones'])

model = dict(
    type='MoCoV3',
    base_momentum=0.01,
    data_preprocessor=dict(type='SelfSupDataPreprocessor', mean=[127.5] * 3, std=[64.0] * 3, to_rgb=True),
    backbone=dict(type='ResNet', depth=18, stem_channels=16, base_channels=16),
    neck=[
        dict(type='sacl_mm.ImageTokenNeck', in_channels=128, out_channels=64, num_layers=1),
        dict(type='sacl_mm.FirstTokenNeck'),
    ],
    head=dict(
        type='sacl_mm.TwoViewContrastiveHead',
        contrastive_loss=dict(
            type='SACLContrastiveLoss', policy=dict(type='SimilarityRegulation', similarity_temperature=0.3)
        ),
        predictor=dict(
            type='NonLinearNeck',
            in_channels=64,
            hid_channels=256,
            out_channels=64,
            with_last_bn=False,
            with_avg_pool=False,
            norm_cfg=dict(type='BN1d'),
        ),
    ),
)

view = [
    dict(type='RandomResizedCrop', scale=64, crop_ratio_range=(0.4, 1.0)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.2),
]
train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    persistent_workers=False,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='sacl_mm.ShapeWorld',
        num_images=4096,
        image_size=64,
        pipeline=[dict(type='MultiView', num_views=[1, 1], transforms=[view, view]), dict(type='PackInputs')],
    ),
)

train_cfg = dict(by_epoch=True, max_epochs=10)
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05))
custom_hooks = [dict(type='sacl_mm.PlainCheckpointHook')]
default_hooks = dict(logger=dict(type='LoggerHook', interval=16))
randomness = dict(seed=0)
