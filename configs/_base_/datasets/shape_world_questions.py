"""Questions about the embedded world: 4,096 training images with 5 questions each, 1,000 other images for validation."""

answers = dict(type='shape_world_answers')
tokenizer = dict(type='WordPieceTokenizer', vocab=dict(type='shape_world_vocabulary', questions=True))
pipeline = [
    dict(type='TokenizeText', tokenizer=tokenizer, max_length=40),
    dict(type='TokenizeText', tokenizer=tokenizer, field='gt_answer', to='gt_answer_token_ids'),
    dict(
        type='mmpretrain.PackInputs',
        algorithm_keys=['token_ids', 'image_id', 'text_ids', 'gt_answer_token_ids', 'gt_answer_weight'],
        meta_keys=['text', 'question_id', 'gt_human_answers', 'question_type'],
    ),
]

train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(type='ShapeWorldQuestions', num_images=4096, image_size=64, questions_per_image=5, pipeline=pipeline),
)
val_dataloader = dict(
    batch_size=250,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='ShapeWorldQuestions',
        num_images=1000,
        image_size=64,
        questions_per_image=5,
        start=1_000_000,
        test_mode=True,
        pipeline=pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='VQAAccuracy', measure='exact')
test_evaluator = val_evaluator
