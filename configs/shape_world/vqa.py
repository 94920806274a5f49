"""Questions about the embedded world: existence, counting, attributes, comparison, relations.

    python tools/train.py configs/shape_world/pretrain.py
    python tools/train.py configs/shape_world/vqa.py
    python tools/test.py configs/shape_world/vqa.py work_dirs/shape_world/vqa/epoch_4.pth

$PRETRAINED: another checkpoint to start from. 67 % after five minutes on one CPU core (docs/results.md).
"""

_base_ = [
    '../_base_/models/sacl_tiny_vqa.py',
    '../_base_/datasets/shape_world_questions.py',
    '../_base_/schedules/shape_world.py',
    '../_base_/default_runtime.py',
]

words = 120  # of captions, questions, answers and statements
load_from = '{{$PRETRAINED:work_dirs/shape_world/pretrain/epoch_8.pth}}'
model = dict(
    data_preprocessor=dict(vocab_size=words),
    towers=dict(embed_dims=None, freeze_backbone=True, text_backbone=dict(vocab_size=words)),
    answer_decoder=dict(vocab_size=words),
    answers={{_base_.answers}},
    tokenizer={{_base_.tokenizer}},
)
optim_wrapper = dict(optimizer=dict(lr=3e-4))
train_cfg = dict(max_epochs=4, val_interval=4)
default_hooks = dict(logger=dict(interval=16))
