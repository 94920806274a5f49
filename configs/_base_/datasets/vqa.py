"""VQAv2 with Visual Genome's questions, 384 px; trained on train and val, as is usual for the test server.

Expected below `data/` (or $DATA): vqa/v2_OpenEnded_mscoco_{train2014,val2014,test-dev2015}_questions.json,
vqa/v2_mscoco_{train2014,val2014}_annotations.json, vg/question_answers.json, coco/{train2014,val2014,test2015}/,
vg/{VG_100K,VG_100K_2}/.
"""

image_size = 384
data_root = '{{$DATA:data/}}'
tokenizer = dict(type='WordPieceTokenizer', pretrained='{{$BERT:bert-base-uncased}}')
clean = dict(type='mmpretrain.CleanCaption', keys='text', remove_chars=',.\'!?"()*#:;~')
tokenize = [
    dict(type='TokenizeText', tokenizer=tokenizer, max_length=30),
    dict(type='TokenizeText', tokenizer=tokenizer, max_length=30, field='gt_answer', to='gt_answer_token_ids'),
]
pack = dict(
    type='mmpretrain.PackInputs',
    algorithm_keys=['token_ids', 'image_id', 'text_ids', 'gt_answer_token_ids', 'gt_answer_weight'],
    meta_keys=['img_path', 'text', 'question_id', 'gt_human_answers', 'question_type'],
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
    clean,
    *tokenize,
    pack,
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=(image_size, image_size), interpolation='bicubic', backend='pillow'),
    clean,
    *tokenize,
    pack,
]

vqa_train = dict(
    type='VisualQuestions',
    ann_file=['vqa/v2_OpenEnded_mscoco_train2014_questions.json', 'vqa/v2_OpenEnded_mscoco_val2014_questions.json'],
    answer_file=['vqa/v2_mscoco_train2014_annotations.json', 'vqa/v2_mscoco_val2014_annotations.json'],
    data_root=data_root,
    data_prefix=dict(img_path=['coco/train2014', 'coco/val2014']),
    pipeline=train_pipeline,
)
genome_train = dict(
    type='VisualQuestions',
    ann_file='vg/question_answers.json',
    data_root=data_root,
    data_prefix=dict(img_path=['vg/VG_100K', 'vg/VG_100K_2']),
    pipeline=train_pipeline,
)
train_dataloader = dict(
    batch_size=32,  # x 8 GPUs x 4 accumulated = 1,024
    num_workers=8,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(type='ConcatDataset', datasets=[vqa_train, genome_train]),
)
# val2014 is trained on above, as the published numbers are; it only shows that training works.
val_dataloader = dict(
    batch_size=16,
    num_workers=8,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='VisualQuestions',
        ann_file='vqa/v2_OpenEnded_mscoco_val2014_questions.json',
        answer_file='vqa/v2_mscoco_val2014_annotations.json',
        data_root=data_root,
        data_prefix=dict(img_path='coco/val2014'),
        indices=5000,
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
val_evaluator = dict(type='VQAAccuracy')
# The test split has no answers: its predictions go to the evaluation server.
test_dataloader = dict(
    batch_size=16,
    num_workers=8,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='VisualQuestions',
        ann_file='vqa/v2_OpenEnded_mscoco_test-dev2015_questions.json',
        data_root=data_root,
        data_prefix=dict(img_path='coco/test2015'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_evaluator = dict(type='VQAAccuracy', server_file='work_dirs/sacl/vqa/vqa_result.json')
