"""Retrieval in the embedded world, fine-tuned with self-regulated SACL and matching, measured with re-ranking.

    python tools/train.py configs/shape_world/pretrain.py
    python tools/train.py configs/shape_world/retrieval.py
    python tools/test.py configs/shape_world/retrieval.py work_dirs/shape_world/retrieval/epoch_2.pth

$PRETRAINED: another checkpoint to start from.
"""

_base_ = [
    '../_base_/models/sacl_tiny_retrieval.py',
    '../_base_/datasets/shape_world_words.py',
    '../_base_/schedules/shape_world.py',
    '../_base_/default_runtime.py',
]

words = 120
model = dict(
    data_preprocessor=dict(vocab_size=words),
    towers=dict(freeze_backbone=True, text_backbone=dict(vocab_size=words)),
    negative_temperature=1.0,
)
load_from = '{{$PRETRAINED:work_dirs/shape_world/pretrain/epoch_8.pth}}'
train_dataloader = dict(batch_size=64)
optim_wrapper = dict(optimizer=dict(lr=3e-4))
train_cfg = dict(max_epochs=2, val_interval=2)
val_cfg = dict(_delete_=True, type='RerankingValLoop', k=32)
test_cfg = dict(_delete_=True, type='RerankingTestLoop', k=32)
default_hooks = dict(logger=dict(interval=16))
