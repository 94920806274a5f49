"""Question answering on DAQUAR, on CPUs: grids of a frozen ResNet-50; text and fusion encoder start from Flickr8k's second
stage, the decoder from the fusion encoder.

    python tools/cache_grids.py configs/daquar/grids.py data/daquar_grids                     # once
    python tools/make_answer_list.py configs/daquar/vqa.py data/daquar_answers.json --at-least 1  # once
    python tools/train.py configs/daquar/vqa.py --amp

$PRETRAINED: another checkpoint to start from; `load_from=None` starts from MiniLM alone. The blind twin:
`--cfg-options model.data_preprocessor.blind=True`. docs/results.md has the numbers.
"""

_base_ = [
    '../_base_/models/sacl_small_grid_vqa.py',
    '../_base_/datasets/daquar.py',
    '../_base_/schedules/finetune.py',
    '../_base_/default_runtime.py',
]

load_from = '{{$PRETRAINED:work_dirs/flickr8k/retrieval/epoch_2.pth}}'
model = dict(
    towers=dict(embed_dims=None), answers='{{$DAQUAR_ANSWERS:data/daquar_answers.json}}', tokenizer={{_base_.tokenizer}}
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
