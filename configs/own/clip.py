"""Fine-tuning a CLIP on your own images and captions, on one GPU or several, with the paper's self-regulated weights.

    python tools/train.py configs/own/clip.py --data PATH --amp
    tools/dist_train.sh configs/own/clip.py 8 --data PATH --amp

$CLIP: a CLIP or SigLIP: a name on the Hugging Face hub, a folder of transformers, or of open_clip
'open_clip:ViT-B-32/laion2b_s34b_b79k'. `towers.lock=('image',)` keeps the image encoder as it is (LiT). The values are
customary for fine-tuning CLIP, not tuned here. `tools/model_converters/convert.py to-pretrained WORK_DIR FOLDER` gives the
result back to transformers or open_clip.
"""

_base_ = ['../_base_/datasets/own.py', '../_base_/default_runtime.py']

pretrained = '{{$CLIP:openai/clip-vit-base-patch32}}'
tokenize = dict(type='TokenizeText', tokenizer=dict(type='PretrainedTokenizer', pretrained=pretrained))
pack = dict(
    type='mmpretrain.PackInputs', algorithm_keys=['token_ids', 'image_id', 'text_ids'], meta_keys=['img_path', 'text']
)

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='PreparePretrainedImage', pretrained=pretrained, train=True),
    dict(type='SampleCaption'),
    tokenize,
    pack,
]
test_pipeline = [dict(type='LoadImage'), dict(type='PreparePretrainedImage', pretrained=pretrained), tokenize, pack]
train_dataloader = dict(  # batch_size is of each process
    batch_size=128, num_workers=4, persistent_workers=True, dataset=dict(pipeline=train_pipeline)
)
val_dataloader = dict(batch_size=128, num_workers=4, dataset=dict(pipeline=test_pipeline, test_mode=True))
test_dataloader = val_dataloader

model = dict(
    type='DualEncoder',
    data_preprocessor=dict(type='ImageTextPreprocessor'),
    towers=dict(type='PretrainedTowers', pretrained=pretrained, lock=()),
    contrastive_loss=dict(
        type='SACLContrastiveLoss',
        policy=dict(type='SimilarityRegulation', similarity_temperature=1.0),
        temperature='pretrained',
    ),
)

optim_wrapper = dict(
    constructor='TrainableOnlyConstructor',
    optimizer=dict(type='AdamW', lr=1e-5, weight_decay=0.2, betas=(0.9, 0.98), eps=1e-6),
    clip_grad=dict(max_norm=1.0),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0, custom_keys={'log_temperature': dict(decay_mult=0.0)}),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=1, by_epoch=True, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min=0.0, by_epoch=True, begin=0, convert_to_iter_based=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=10)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(checkpoint=dict(save_best='retrieval/R@mean'))
