"""Text-assignment pre-training in the embedded world, before nlvr2.py.

    python tools/train.py configs/shape_world/nlvr2_pretrain.py

$PRETRAINED: another checkpoint to start from.
"""

_base_ = [
    '../_base_/models/sacl_tiny_nlvr2.py',
    '../_base_/datasets/shape_world_words.py',
    '../_base_/schedules/shape_world.py',
    '../_base_/default_runtime.py',
]

words = 120
load_from = '{{$PRETRAINED:work_dirs/shape_world/pretrain/epoch_8.pth}}'
model = dict(
    type='TextAssignment',
    data_preprocessor=dict(vocab_size=words),
    towers=dict(embed_dims=None, freeze_backbone=True, text_backbone=dict(vocab_size=words)),
    multimodal_backbone=dict(type='PairedFusionEncoder'),
)
optim_wrapper = dict(optimizer=dict(lr=3e-4))
train_cfg = dict(max_epochs=2)
train_dataloader = dict(batch_size=64)
val_dataloader = val_cfg = val_evaluator = None
test_dataloader = test_cfg = test_evaluator = None
