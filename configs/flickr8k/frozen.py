"""Flickr8k on CPUs: SACL between two heads over features of a frozen ResNet-50 at 288 px and a frozen MiniLM.

    export FLICKR8K=... RESNET50=...
    python tools/train.py configs/flickr8k/frozen.py

$RESNET50: an ImageNet ResNet-50 in mmpretrain's layout, caffe style (stride in the 1 x 1 convolution, BGR, no division by the
standard deviation). The features are computed once (13 minutes on one shared CPU core) and kept in `work_dirs/features`; then
it is a minute of training. docs/results.md has the numbers.
"""

_base_ = ['../_base_/datasets/flickr8k.py', '../_base_/default_runtime.py']

feature_cache = 'work_dirs/features'
pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=(288, 288), interpolation='bicubic'),
    {{_base_.tokenize}},
    {{_base_.pack}},
]
train_dataloader = dict(batch_size=512, dataset=dict(pipeline=pipeline))  # images, each with its 5 texts as positives
val_dataloader = dict(batch_size=250, dataset=dict(pipeline=pipeline))
test_dataloader = val_dataloader

model = dict(
    type='DualEncoder',
    data_preprocessor=dict(
        type='ImageTextPreprocessor', vocab_size=30522, mean=[103.939, 116.779, 123.68], std=[1.0, 1.0, 1.0]
    ),
    towers=dict(
        type='FeatureTowers',
        image_dims=5120,  # 1,024 (mean of stage 3) + 2,048 (mean of stage 4) + 2,048 (its maximum)
        text_dims=384,
        image_encoder=dict(
            type='mmpretrain.ResNet',
            depth=50,
            style='caffe',
            norm_cfg=dict(type='BN', eps=1e-3),
            out_indices=(2, 3),
            init_cfg=dict(type='Pretrained', checkpoint='{{$RESNET50:checkpoints/resnet50_caffe_imagenet.pth}}'),
        ),
        text_encoder=dict(
            type='BertTextEncoder',
            width=384,
            num_layers=6,
            num_heads=12,
            dropout=0.0,
            checkpoint={{_base_.minilm}},
            length_buckets=4,
        ),
    ),
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
