"""Question answering on DAQUAR, on CPUs: grids of a frozen ResNet-50, MiniLM as text and fusion encoder and decoder.

    python tools/cache_grids.py configs/sacl/daquar_grids.py data/daquar_grids                     # once
    python tools/make_answer_list.py configs/sacl/daquar.py data/daquar_answers.json --at-least 1  # once
    python tools/train.py configs/sacl/daquar.py

The blind twin: `--cfg-options model.data_preprocessor.blind=True`. docs/results.md has the
numbers.
"""

_base_ = [
    '../_base_/models/sacl_small_vqa.py',
    '../_base_/datasets/daquar.py',
    '../_base_/schedules/finetune.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(mean=None, std=None, bgr_to_rgb=False),
    towers=dict(
        embed_dims=None,
        backbone=None,
        neck=dict(in_channels=3072, out_channels=384),
        text_encoder=dict(checkpoint={{_base_.minilm}}),
    ),
    fusion=dict(checkpoint={{_base_.minilm}}),
    answers='{{$DAQUAR_ANSWERS:data/daquar_answers.json}}',
    tokenizer={{_base_.tokenizer}},
    num_candidates=24,
)
optim_wrapper = dict(
    optimizer=dict(lr=1e-4, weight_decay=0.05),
    clip_grad=dict(max_norm=1.0),
    paramwise_cfg=dict(custom_keys={'towers.neck': dict(lr_mult=5.0), 'answer_decoder': dict(lr_mult=3.0)}),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=50, by_epoch=False),
    dict(type='CosineAnnealingLR', eta_min_ratio=0.01, by_epoch=True, begin=0, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=4, val_interval=4)
default_hooks = dict(logger=dict(interval=20))
