"""The embedded world's ImageNet: pictures of one object, classified by shape, colour, size and texture (384 classes).

    python tools/train.py configs/sacl/shape_world_backbone.py

6 minutes on one CPU core; 85 % accuracy. The image encoder of the downstream tasks starts from it, as the paper's starts from
CLIP: from captions of whole scenes alone a small network learns colours within minutes, but no shapes. A plain classifier of
mmpretrain's.
"""

_base_ = ['../_base_/models/sacl_tiny.py', '../_base_/schedules/shape_world.py', '../_base_/default_runtime.py']

model = dict(
    _delete_=True,
    type='mmpretrain.ImageClassifier',
    data_preprocessor=dict(
        type='mmpretrain.ClsDataPreprocessor', mean=[127.5] * 3, std=[64.0] * 3, to_rgb=True, num_classes=384
    ),
    backbone={{_base_.model.towers.backbone}},
    neck=dict(type='mmpretrain.GlobalAveragePooling'),
    head=dict(
        type='mmpretrain.LinearClsHead',
        num_classes=384,
        in_channels=128,
        loss=dict(type='mmpretrain.CrossEntropyLoss'),
        topk=(1,),
    ),
)
pack = dict(type='mmpretrain.PackInputs')
train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(type='ShapeWorldObjects', num_images=16384, image_size=64, pipeline=[pack]),
)
val_dataloader = dict(
    batch_size=250,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='ShapeWorldObjects', num_images=1000, image_size=64, start=1_000_000, test_mode=True, pipeline=[pack]
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='mmpretrain.Accuracy', topk=(1,))
test_evaluator = val_evaluator
train_cfg = dict(max_epochs=10, val_interval=5)
# Not one of our models: TrainingStateHook has nothing to tell it.
custom_hooks = [dict(type='PlainCheckpointHook'), dict(type='StrictLoadingHook'), dict(type='ProgressHook')]
default_hooks = dict(logger=dict(interval=64))
