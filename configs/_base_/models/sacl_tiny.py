"""A model for 64-pixel images and a small vocabulary: 1.5 million parameters, trains on CPUs."""

vocab_size = 89  # of the shape world
mask_token = 4

model = dict(
    type='SACLPretrain',
    data_preprocessor=dict(
        type='ImageTextPreprocessor',
        vocab_size=vocab_size,
        mean=[127.5, 127.5, 127.5],
        std=[64.0, 64.0, 64.0],
        bgr_to_rgb=True,
    ),
    towers=dict(
        type='TwoTower',
        # GroupNorm: statistics of a batch would differ between one process and several.
        vision_backbone=dict(
            type='mmpretrain.ResNet',
            depth=18,
            stem_channels=16,
            base_channels=16,
            strides=(1, 2, 2, 1),
            out_indices=(3,),
            norm_cfg=dict(type='GN', num_groups=8),
        ),
        neck=dict(type='ImageTokenNeck', in_channels=128, out_channels=128),
        text_backbone=dict(
            type='BertTextEncoder',
            vocab_size=vocab_size,
            width=128,
            num_layers=2,
            num_heads=4,
            max_length=64,
            dropout=0.0,
        ),
        embed_dims=128,
    ),
    contrastive_loss=dict(
        type='SACLContrastiveLoss', policy=dict(type='SimilarityRegulation', similarity_temperature=0.3)
    ),
    multimodal_backbone=dict(type='FusionEncoder', width=128, image_width=128, num_layers=2, num_heads=4, dropout=0.0),
    matching_head=dict(type='MatchingHead', width=128),
    masked_language_head=dict(type='MaskedLanguageHead', width=128, vocab_size=vocab_size),
    mask_token=mask_token,
    queue_size=0,
)
