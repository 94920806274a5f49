"""The embedded world: rendered while training, nothing to download. 8,192 training scenes, 1,000 others for validation."""

tokenizer = dict(type='WordPieceTokenizer', vocab=dict(type='shape_world_vocabulary'))
pack = dict(
    type='mmpretrain.PackInputs', algorithm_keys=['token_ids', 'image_id', 'text_ids'], meta_keys=['img_path', 'text']
)
tokenize = dict(type='TokenizeText', tokenizer=tokenizer, max_length=30)

train_dataloader = dict(
    batch_size=128,
    num_workers=0,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='ShapeWorld', num_images=8192, image_size=64, pipeline=[dict(type='SampleCaption'), tokenize, pack]
    ),
)
val_dataloader = dict(
    batch_size=100,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='ShapeWorld', num_images=1000, image_size=64, start=1_000_000, test_mode=True, pipeline=[tokenize, pack]
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='RetrievalMetric', relevance=dict(type='ShapeWorldRelevance'))
test_evaluator = val_evaluator
