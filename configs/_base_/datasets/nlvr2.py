"""NLVR2, 384 px: 86,373 training, 6,982 development, 6,967 public test statements (test1).

Expected below `data/nlvr2/` (or $DATA/nlvr2/): train.json, dev.json, test1.json, images/{train,dev,test1}/.
"""

image_size = 384
data_root = '{{$DATA:data/}}/nlvr2'
tokenizer = dict(type='WordPieceTokenizer', pretrained='{{$BERT:bert-base-uncased}}')
text_steps = [
    dict(type='mmpretrain.CleanCaption', keys='text', remove_chars=',.\'!?"()*#:;~'),
    dict(type='TokenizeText', tokenizer=tokenizer, max_length=30),
    dict(
        type='mmpretrain.PackInputs',
        algorithm_keys=['token_ids', 'image_id', 'text_ids'],
        meta_keys=['img_path', 'text', 'identifier'],
    ),
]

train_pipeline = [
    dict(
        type='mmpretrain.ApplyToList',
        scatter_key='img_path',
        transforms=[
            dict(type='LoadImage'),
            dict(
                type='mmpretrain.RandomResizedCrop',
                scale=image_size,
                crop_ratio_range=(0.5, 1.0),
                interpolation='bicubic',
                backend='pillow',
            ),
            dict(type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal'),
            dict(
                type='RandAugment',
                _scope_='mmpretrain',
                policies='simple_increasing',
                num_policies=2,
                magnitude_level=7,
            ),
        ],
        collate_keys=['img'],
    ),
    *text_steps,
]
test_pipeline = [
    dict(
        type='mmpretrain.ApplyToList',
        scatter_key='img_path',
        transforms=[
            dict(type='LoadImage'),
            dict(type='mmpretrain.Resize', scale=(image_size, image_size), interpolation='bicubic', backend='pillow'),
        ],
        collate_keys=['img'],
    ),
    *text_steps,
]

train_dataloader = dict(
    batch_size=32,  # x 8 GPUs = 256
    num_workers=8,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='NLVR2Pairs',
        ann_file='train.json',
        data_root=data_root,
        data_prefix=dict(img_path='images/train'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=8,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='NLVR2Pairs',
        ann_file='dev.json',
        data_root=data_root,
        data_prefix=dict(img_path='images/dev'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader | dict(
    dataset=val_dataloader['dataset'] | dict(ann_file='test1.json', data_prefix=dict(img_path='images/test1'))
)
val_evaluator = dict(type='NLVR2Accuracy')
test_evaluator = val_evaluator
