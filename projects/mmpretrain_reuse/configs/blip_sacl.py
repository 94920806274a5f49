"""mmpretrain's BLIP retrieval recipe at toy size, with SACL's loss in place of its ITC head's. transformers <= 4.51.

`blip/blip-base_8xb32_retrieval.py` of mmpretrain 1.2, made small. What is ours is marked; all else is mmpretrain's.
"""

default_scope = 'mmpretrain'
custom_imports = dict(imports=['sacl_mm'])
data_root = '{{$DATA:data/mmpretrain_reuse}}'

model = dict(
    type='BlipRetrieval',
    data_preprocessor=dict(type='MultiModalDataPreprocessor', mean=[127.5] * 3, std=[64.0] * 3, to_rgb=True),
    tokenizer=dict(type='BlipTokenizer', name_or_path=f'{data_root}/tokenizer'),
    vision_backbone=dict(
        type='VisionTransformer',
        arch=dict(embed_dims=96, num_layers=3, num_heads=3, feedforward_channels=384),
        img_size=64,
        patch_size=8,
        out_type='raw',
    ),
    text_backbone=dict(
        type='XBertEncoder',
        med_config=dict(
            architectures=['BertModel'],
            attention_probs_dropout_prob=0.1,
            hidden_act='gelu',
            hidden_dropout_prob=0.1,
            hidden_size=96,
            initializer_range=0.02,
            intermediate_size=384,
            layer_norm_eps=1e-12,
            max_position_embeddings=40,
            model_type='bert',
            num_attention_heads=3,
            num_hidden_layers=3,
            pad_token_id=0,
            add_type_embeddings=False,
            vocab_size=128,
            encoder_width=96,
            add_cross_attention=True,
        ),
    ),
    vision_neck=dict(type='Linear', in_features=96, out_features=64),
    text_neck=dict(type='Linear', in_features=96, out_features=64),
    # Ours. In the original: dict(type='ITCHead', embed_dim=256), and a WarmupParamHook for its alpha.
    head=dict(
        type='sacl_mm.ImageTextContrastiveHead',
        embed_dim=64,
        queue_size=1024,
        contrastive_loss=dict(
            type='SACLContrastiveLoss',
            # As BLIP, 0.4 of the targets from the momentum encoders after two of six epochs; and SACL's weights.
            policy=dict(
                type='MomentumDistillation', base_policy=dict(type='SimilarityRegulation'), weight=0.4, ramp=1 / 3
            ),
        ),
    ),
    multimodal_head=dict(type='ITMHead', hidden_size=96, with_pooler=False),
    topk=16,
    max_txt_len=35,
)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='CleanCaption', keys='text'),
    dict(type='PackInputs', algorithm_keys=['text', 'is_matched'], meta_keys=['image_id']),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='CleanCaption', keys='text'),
    dict(type='PackInputs', algorithm_keys=['text', 'gt_text_id', 'gt_image_id'], meta_keys=['image_id']),
]
train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    persistent_workers=False,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='COCORetrieval',
        data_root=data_root,
        data_prefix=dict(img_path='train'),
        ann_file='train.json',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='SequentialSampler', subsample_type='sequential'),
    dataset=dict(
        type='COCORetrieval',
        data_root=data_root,
        data_prefix=dict(img_path='val'),
        ann_file='val.json',
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader

# Ours. In the original: dict(type='RetrievalRecall', topk=(1, 5, 10)).
val_evaluator = dict(type='sacl_mm.RankingMetric', topk=(1, 5, 10))
test_evaluator = val_evaluator

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=6)
val_cfg = dict(type='RetrievalValLoop')
test_cfg = dict(type='RetrievalTestLoop')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=5e-4, weight_decay=0.04))
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=True)]
# Ours: without it torch >= 2.6 refuses to load the checkpoints that MMEngine writes.
custom_hooks = [dict(type='sacl_mm.PlainCheckpointHook')]
default_hooks = dict(logger=dict(type='LoggerHook', interval=16))
randomness = dict(seed=0)
