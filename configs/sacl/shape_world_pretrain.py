"""Pre-training in the embedded world for the downstream tasks: self-regulated SACL, matching, masked language modelling.

    python tools/train.py configs/sacl/shape_world_pretrain.py

shape_world_full.py is the same with reference model, momentum teacher and queue. docs/results.md has the numbers.
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
    towers=dict(text_encoder=dict(vocab_size=words)),
    masked_language_head=dict(vocab_size=words),
)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
train_cfg = dict(max_epochs=4, val_interval=4)
default_hooks = dict(logger=dict(interval=16))
