"""Flickr8k (Hodosh et al., 2013): 6,000 training and 1,000 development images with 5 captions each.

Expected below `data/flickr8k/` (or $FLICKR8K): images/, Flickr8k.token.txt, Flickr_8k.{train,dev,test}Images.txt.
$MINILM is a folder or hub name of a 6-layer BERT of width 384, by default all-MiniLM-L6-v2.
"""

data_root = '{{$FLICKR8K:data/flickr8k}}'
minilm = '{{$MINILM:sentence-transformers/all-MiniLM-L6-v2}}'
tokenize = dict(type='TokenizeText', tokenizer=dict(type='WordPieceTokenizer', pretrained=minilm), max_length=32)
pack = dict(
    type='mmpretrain.PackInputs', algorithm_keys=['token_ids', 'image_id', 'text_ids'], meta_keys=['img_path', 'text']
)

train_pipeline = [
    dict(type='LoadImage'),
    dict(
        type='mmpretrain.RandomResizedCrop',
        scale=224,
        crop_ratio_range=(0.5, 1.0),
        interpolation='bicubic',
        backend='pillow',
    ),
    dict(type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='SampleCaption'),
    tokenize,
    pack,
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=(224, 224), interpolation='bicubic', backend='pillow'),
    tokenize,
    pack,
]

train_dataloader = dict(
    batch_size=128,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='ImageTextPairs',
        ann_file='Flickr8k.token.txt',
        data_root=data_root,
        data_prefix=dict(img_path='images'),
        split_file='Flickr_8k.trainImages.txt',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=50,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='ImageTextPairs',
        ann_file='Flickr8k.token.txt',
        data_root=data_root,
        data_prefix=dict(img_path='images'),
        split_file='Flickr_8k.devImages.txt',
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = [dict(type='RetrievalMetric'), dict(type='CaptionConsensus')]
test_evaluator = val_evaluator
human_judgement = dict(  # of the test images; for *_test.py
    type='Flickr8kHumanJudgement',
    expert_file=f'{data_root}/ExpertAnnotations.txt',
    crowdflower_file=f'{data_root}/CrowdFlowerAnnotations.txt',
)
