"""One's own images and captions; `tools/train.py CONFIG --data PATH` fills in the files.

A configuration that inherits this one defines the pipelines.
"""

_files = dict(type='ImageTextPairs', ann_file='', data_prefix=dict(img_path=''))
train_dataloader = dict(
    batch_size=512,
    num_workers=2,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    collate_fn=dict(type='pseudo_collate'),
    dataset=_files,
)
val_dataloader = dict(
    batch_size=50,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=_files,
)
test_dataloader = val_dataloader
val_evaluator = [dict(type='RetrievalMetric')]
test_evaluator = val_evaluator
