"""DAQUAR (Malinowski & Fritz, 2014): 5,937 training and 858 development questions about indoor photographs, as grids of
frozen features (configs/daquar/grids.py). Several answers of a question are one answer: all of them, sorted, joined by commas.

Expected below `data/daquar/` (or $DAQUAR): train.json, dev.json, images/; $DAQUAR_GRIDS: the grids; $MINILM as for Flickr8k.
"""

data_root = '{{$DAQUAR:data/daquar}}'
minilm = '{{$MINILM:sentence-transformers/all-MiniLM-L6-v2}}'
tokenizer = dict(type='WordPieceTokenizer', pretrained=minilm)
pipeline = [
    dict(type='LoadImageGrid', root='{{$DAQUAR_GRIDS:data/daquar_grids}}', size=(5, 7)),
    dict(type='TokenizeText', tokenizer=tokenizer, max_length=32),
    dict(type='TokenizeText', tokenizer=tokenizer, max_length=32, field='gt_answer', to='gt_answer_token_ids'),
    dict(
        type='mmpretrain.PackInputs',
        algorithm_keys=['token_ids', 'image_id', 'text_ids', 'gt_answer_token_ids', 'gt_answer_weight'],
        meta_keys=['img_path', 'text', 'question_id', 'gt_human_answers'],
    ),
]
train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='VisualQuestions',
        ann_file='train.json',
        data_root=data_root,
        data_prefix=dict(img_path='images'),
        pipeline=pipeline,
    ),
)
val_dataloader = dict(
    batch_size=26,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='VisualQuestions',
        ann_file='dev.json',
        data_root=data_root,
        data_prefix=dict(img_path='images'),
        test_mode=True,
        pipeline=pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='VQAAccuracy', measure='exact')
test_evaluator = val_evaluator
