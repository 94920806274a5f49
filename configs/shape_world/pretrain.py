"""Pre-training in the embedded world for the downstream tasks: self-regulated SACL, matching, masked language modelling.

    python tools/train.py configs/shape_world/backbone.py
    python tools/train.py configs/shape_world/pretrain.py

$BACKBONE: another checkpoint of the backbone, which stays as it is. full.py has reference model, momentum teacher
and queue as well.
"""

_base_ = [
    '../_base_/models/sacl_tiny.py',
    '../_base_/datasets/shape_world_words.py',
    '../_base_/schedules/shape_world.py',
    '../_base_/default_runtime.py',
]

words = 120  # of captions, questions, answers and statements
model = dict(
    data_preprocessor=dict(vocab_size=words),
    towers=dict(
        vision_backbone=dict(
            init_cfg=dict(
                type='Pretrained',
                checkpoint='{{$BACKBONE:work_dirs/shape_world/backbone/epoch_16.pth}}',
                prefix='backbone.',
            )
        ),
        freeze_backbone=True,
        text_backbone=dict(vocab_size=words),
    ),
    masked_language_head=dict(vocab_size=words),
    # Almost any other pair is a negative: from hard ones alone this small a model learns nothing for thousands of steps.
    negative_temperature=1.0,
)
train_dataloader = dict(batch_size=64)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
train_cfg = dict(max_epochs=8, val_interval=8)
default_hooks = dict(logger=dict(interval=32))
