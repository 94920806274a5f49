"""Fine-tuning as in the paper (Jiang et al., ACL 2023, App. E): AdamW, weight decay 0.05, cosine (to a tenth, ours).
`lr` is BERT's; a task sets it, the ViT's as a multiple, and the epochs."""

optim_wrapper = dict(
    constructor='TrainableOnlyConstructor',
    optimizer=dict(type='AdamW', lr=2e-6, weight_decay=0.05, fused=True),
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
        custom_keys={'towers.vision_backbone': dict(lr_mult=5.0), 'log_temperature': dict(decay_mult=0.0)},
    ),
)
param_scheduler = [dict(type='CosineAnnealingLR', eta_min_ratio=0.1, by_epoch=True, convert_to_iter_based=True)]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=5, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
