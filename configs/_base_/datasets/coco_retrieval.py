"""COCO retrieval, Karpathy's split, 384 px: 113,287 training images (train and restval), the 5K validation and test images.

Expected below `data/coco/` (or $DATA/coco/): dataset_coco.json, train2014/, val2014/.
"""

image_size = 384
data_root = '{{$DATA:data/}}/coco'
remove_chars = ',.\'!?"()*#:;~'
tokenizer = dict(type='WordPieceTokenizer', pretrained='{{$BERT:bert-base-uncased}}')
tokenize = dict(type='TokenizeText', tokenizer=tokenizer, max_length=30)
pack = dict(
    type='mmpretrain.PackInputs', algorithm_keys=['token_ids', 'image_id', 'text_ids'], meta_keys=['img_path', 'text']
)

train_pipeline = [
    dict(type='LoadImage'),
    dict(
        type='mmpretrain.RandomResizedCrop',
        scale=image_size,
        crop_ratio_range=(0.5, 1.0),
        interpolation='bicubic',
        backend='pillow',
    ),
    dict(type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='RandAugment', _scope_='mmpretrain', policies='simple_increasing', num_policies=2, magnitude_level=7),
    dict(type='mmpretrain.CleanCaption', keys='text', remove_chars=remove_chars),
    tokenize,
    pack,
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=(image_size, image_size), interpolation='bicubic', backend='pillow'),
    dict(type='mmpretrain.CleanCaption', keys='text', remove_chars=remove_chars),
    tokenize,
    pack,
]

train_dataloader = dict(
    batch_size=32,  # x 8 GPUs = 256
    num_workers=8,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='ImageTextPairs',
        ann_file='dataset_coco.json',
        data_root=data_root,
        format='karpathy',
        split=['train', 'restval'],
        per='pair',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=8,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='ImageTextPairs',
        ann_file='dataset_coco.json',
        data_root=data_root,
        format='karpathy',
        split='val',
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader | dict(dataset=val_dataloader['dataset'] | dict(split='test'))
val_evaluator = [dict(type='RetrievalMetric'), dict(type='CaptionConsensus')]
test_evaluator = [
    *val_evaluator,
    dict(type='EccvCaption', coco_ids=dict(type='coco_ids', ann_file=f'{data_root}/dataset_coco.json')),
]
