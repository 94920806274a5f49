"""sacl_small.py over grids of a frozen ResNet-50 (stages 3 and 4): pooled features for the contrast, all of MiniLM's 6 layers
as text encoder, its layers 4 and 5 with cross-attention as fusion encoder."""

bert = '{{$MINILM:sentence-transformers/all-MiniLM-L6-v2}}'
vocab_size = 30522

model = dict(
    type='ImageTextRetrieval',
    data_preprocessor=dict(type='ImageTextPreprocessor', vocab_size=vocab_size),
    towers=dict(
        type='TwoTower',
        vision_backbone=None,
        neck=dict(type='ImageTokenNeck', in_channels=3072, out_channels=384),
        text_backbone=dict(
            type='BertTextEncoder',
            vocab_size=vocab_size,
            width=384,
            num_layers=6,
            num_heads=12,
            dropout=0.0,
            checkpoint=bert,
            length_buckets=4,
        ),
        embed_dims=512,
        image_head=dict(maximum=True),
        text_head=dict(),
    ),
    contrastive_loss=dict(
        type='SACLContrastiveLoss',
        # The paper as printed. A lower one costs recall of annotated pairs (docs/results.md).
        policy=dict(type='SimilarityRegulation', similarity_temperature=1.0),
        temperature=0.05,
    ),
    multimodal_backbone=dict(
        type='FusionEncoder',
        width=384,
        image_width=384,
        num_layers=2,
        num_heads=12,
        dropout=0.0,
        checkpoint=bert,
        first_bert_layer=4,
        length_buckets=6,
    ),
    matching_head=dict(type='MatchingHead', width=384),
    negative_temperature=(1.0, 0.1),
)
