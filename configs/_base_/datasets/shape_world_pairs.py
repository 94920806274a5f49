"""Statements about two images of the embedded world: 8,192 training statements with 4 pairs of images each, 500
others for validation."""

tokenizer = dict(type='WordPieceTokenizer', vocab=dict(type='shape_world_vocabulary', questions=True))
pipeline = [
    dict(type='TokenizeText', tokenizer=tokenizer, max_length=40),
    dict(
        type='mmpretrain.PackInputs',
        algorithm_keys=['token_ids', 'image_id', 'text_ids'],
        meta_keys=['text', 'identifier'],
    ),
]

train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(type='ShapeWorldPairs', num_groups=8192, image_size=64, pipeline=pipeline),
)
val_dataloader = dict(
    batch_size=250,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='ShapeWorldPairs', num_groups=500, image_size=64, start=1_000_000, test_mode=True, pipeline=pipeline
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='NLVR2Accuracy')
test_evaluator = val_evaluator
