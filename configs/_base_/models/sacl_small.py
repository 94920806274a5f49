"""Half the base model's depth and width, 46 million parameters: ViT-S/16, and a 6-layer BERT of width 384 (MiniLM) whose
layers 0-2 are the text encoder and 3-5 the fusion encoder. Self-regulated weights: needs no reference model."""

vocab_size = 30522
bert = None  # a folder or hub name of a 6-layer BERT of width 384, e.g. sentence-transformers/all-MiniLM-L6-v2

model = dict(
    type='SACLPretrain',
    data_preprocessor=dict(
        type='ImageTextPreprocessor',
        vocab_size=vocab_size,
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    towers=dict(
        type='TwoTower',
        vision_backbone=dict(
            type='mmpretrain.VisionTransformer', arch='deit-small', img_size=224, patch_size=16, out_type='raw'
        ),
        neck=dict(type='ImageTokenNeck', in_channels=384),
        text_backbone=dict(
            type='BertTextEncoder', vocab_size=vocab_size, width=384, num_layers=3, num_heads=12, checkpoint=bert
        ),
        embed_dims=256,
    ),
    contrastive_loss=dict(
        type='SACLContrastiveLoss', policy=dict(type='SimilarityRegulation', similarity_temperature=0.3)
    ),
    multimodal_backbone=dict(
        type='FusionEncoder',
        width=384,
        image_width=384,
        num_layers=3,
        num_heads=12,
        checkpoint=bert,
        first_bert_layer=3,
    ),
    matching_head=dict(type='MatchingHead', width=384),
    masked_language_head=dict(type='MaskedLanguageHead', width=384, vocab_size=vocab_size),
    mask_token=103,
    queue_size=16384,
    momentum=dict(decay=0.995),
)
