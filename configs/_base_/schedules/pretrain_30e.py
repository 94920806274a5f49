"""The paper's schedule (App. D): AdamW, weight decay 0.01, 1e-5 for the ViT and 1e-4 for the rest, 1,000 warm-up iterations,
30 epochs at batch 512; cosine to 1e-5 as in ALBEF, which it follows there."""

optim_wrapper = dict(
    constructor='TrainableOnlyConstructor',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.01, fused=True),
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
        custom_keys={'towers.vision_backbone': dict(lr_mult=0.1), 'log_temperature': dict(decay_mult=0.0)},
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=1000, by_epoch=False),
    dict(type='CosineAnnealingLR', eta_min_ratio=0.1, by_epoch=True, begin=0, convert_to_iter_based=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=30, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(base_batch_size=512, enable=False)
