custom_imports = dict(allow_failed_imports=False, imports=['sacl_mm'])
default_scope = 'sacl_mm'
model = dict(
    data_preprocessor=dict(
        bgr_to_rgb=True,
        mean=[127.5, 127.5, 127.5],
        std=[64.0, 64.0, 64.0],
        type='ImageTextPreprocessor',
        vocab_size=120,
    ),
    multimodal_backbone=dict(
        dropout=0.0, image_width=128, num_heads=4, num_layers=2, type='PairedFusionEncoder', width=128
    ),
    towers=dict(
        embed_dims=None,
        freeze_backbone=True,
        neck=dict(in_channels=128, out_channels=128, type='ImageTokenNeck'),
        text_backbone=dict(
            dropout=0.0, max_length=64, num_heads=4, num_layers=2, type='BertTextEncoder', vocab_size=120, width=128
        ),
        type='TwoTower',
        vision_backbone=dict(
            base_channels=16,
            depth=18,
            norm_cfg=dict(num_groups=8, type='GN'),
            out_indices=(3,),
            stem_channels=16,
            strides=(1, 2, 2, 1),
            type='mmpretrain.ResNet',
        ),
    ),
    type='ImagePairReasoning',
)
test_cfg = dict(type='TestLoop')
test_dataloader = dict(
    batch_size=250,
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        image_size=64,
        num_groups=500,
        pipeline=[
            dict(
                max_length=40,
                tokenizer=dict(type='WordPieceTokenizer', vocab=dict(questions=True, type='shape_world_vocabulary')),
                type='TokenizeText',
            ),
            dict(
                algorithm_keys=['token_ids', 'image_id', 'text_ids'],
                meta_keys=['text', 'identifier'],
                type='mmpretrain.PackInputs',
            ),
        ],
        start=1000000,
        test_mode=True,
        type='ShapeWorldPairs',
    ),
    num_workers=0,
    pin_memory=False,
    sampler=dict(shuffle=False, type='DefaultSampler'),
)
test_evaluator = dict(type='NLVR2Accuracy')
