"""COCO, Visual Genome, CC3M and SBU as ALBEF's JSON lists (4 million images, 5.1 million pairs); COCO val for validation.

Expected below `data/` (or $DATA): pretrain/{coco,vg,cc3m,sbu}.json with items {"image": path, "caption": text or list of
texts}, the path starting from `data/` (ALBEF's are absolute: `data_prefix=dict(img_path='/')` allows that), and
coco/annotations/captions_val2017.json with coco/val2017/.
"""

image_size = 256
data_root = '{{$DATA:data/}}'
tokenizer = dict(type='WordPieceTokenizer', pretrained='{{$BERT:bert-base-uncased}}')
tokenize = dict(type='TokenizeText', tokenizer=tokenizer, max_length=25)  # ALBEF's pre-training length
pack = dict(
    type='mmpretrain.PackInputs', algorithm_keys=['token_ids', 'image_id', 'text_ids'], meta_keys=['img_path', 'text']
)

train_pipeline = [
    dict(type='LoadImage'),
    dict(
        type='mmpretrain.RandomResizedCrop',
        scale=image_size,
        crop_ratio_range=(0.2, 1.0),
        interpolation='bicubic',
        backend='pillow',
    ),
    dict(type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal'),
    # mmpretrain's RandAugment looks its policies up by name: in its own scope.
    dict(type='RandAugment', _scope_='mmpretrain', policies='simple_increasing', num_policies=2, magnitude_level=7),
    dict(type='SampleCaption'),
    dict(type='mmpretrain.CleanCaption', keys='text', remove_chars=',.\'!?"()*#:;~'),
    tokenize,
    pack,
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=(image_size, image_size), interpolation='bicubic', backend='pillow'),
    dict(type='mmpretrain.CleanCaption', keys='text', remove_chars=',.\'!?"()*#:;~'),
    tokenize,
    pack,
]

train_dataloader = dict(
    batch_size=64,  # x 8 GPUs = 512
    num_workers=8,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='ImageTextPairs',
        ann_file=['pretrain/coco.json', 'pretrain/vg.json', 'pretrain/cc3m.json', 'pretrain/sbu.json'],
        data_root=data_root,
        data_prefix=dict(img_path=''),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=8,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='ImageTextPairs',
        ann_file='coco/annotations/captions_val2017.json',
        data_root=data_root,
        data_prefix=dict(img_path='coco/val2017'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = [dict(type='RetrievalMetric'), dict(type='CaptionConsensus')]
test_evaluator = val_evaluator
