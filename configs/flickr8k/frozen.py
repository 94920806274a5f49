"""Flickr8k on CPUs: SACL between two heads over cached features of frozen encoders; a minute of training.

    python tools/cache_features.py configs/flickr8k/features.py data/flickr8k_features   # once
    python tools/train.py configs/flickr8k/frozen.py

docs/results.md has the numbers. $FEATURES: where the features are.
"""

_base_ = ['../_base_/default_runtime.py']

features = '{{$FEATURES:data/flickr8k_features}}'
train_dataloader = dict(
    batch_size=512,  # images, each with its 5 texts as positives
    num_workers=0,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(type='CachedFeatures', ann_file=features + '/train.pt'),
)
val_dataloader = dict(
    batch_size=250,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(type='CachedFeatures', ann_file=features + '/dev.pt'),
)
test_dataloader = val_dataloader
val_evaluator = [dict(type='RetrievalMetric'), dict(type='CaptionConsensus')]
test_evaluator = val_evaluator

model = dict(
    type='DualEncoder',
    data_preprocessor=dict(type='ImageTextPreprocessor', vocab_size=30522),
    # 1,024 (mean of stage 3) + 2,048 (mean of stage 4) + 2,048 (its maximum)
    towers=dict(type='FeatureTowers', image_dims=5120, text_dims=384),
    contrastive_loss=dict(
        type='SACLContrastiveLoss',
        policy=dict(type='SimilarityRegulation', similarity_temperature=0.3),
        temperature=0.04,
    ),
)
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
    paramwise_cfg=dict(custom_keys={'log_temperature': dict(decay_mult=0.0)}),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=5, by_epoch=False),
    dict(type='CosineAnnealingLR', eta_min=0.0, by_epoch=True, begin=0, convert_to_iter_based=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=10, val_interval=10)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
