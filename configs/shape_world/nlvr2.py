"""Statements about two images of the embedded world.

    python tools/train.py configs/shape_world/pretrain.py
    python tools/train.py configs/shape_world/nlvr2_pretrain.py
    python tools/train.py configs/shape_world/nlvr2.py
    python tools/test.py configs/shape_world/nlvr2.py work_dirs/shape_world/nlvr2/epoch_2.pth

$ASSIGNED: another checkpoint to start from.
"""

_base_ = [
    '../_base_/models/sacl_tiny_nlvr2.py',
    '../_base_/datasets/shape_world_pairs.py',
    '../_base_/schedules/shape_world.py',
    '../_base_/default_runtime.py',
]

words = 120
load_from = '{{$ASSIGNED:work_dirs/shape_world/nlvr2_pretrain/epoch_2.pth}}'
model = dict(
    data_preprocessor=dict(vocab_size=words),
    towers=dict(embed_dims=None, freeze_backbone=True, text_backbone=dict(vocab_size=words)),
    multimodal_backbone=dict(type='PairedFusionEncoder'),
)
optim_wrapper = dict(optimizer=dict(lr=3e-4))
train_cfg = dict(max_epochs=2, val_interval=1)
default_hooks = dict(logger=dict(interval=16))
