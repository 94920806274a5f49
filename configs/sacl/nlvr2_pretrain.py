"""Text-assignment pre-training for NLVR2: one epoch on the pre-training images (ALBEF, arXiv 2107.07651, Sec. 4).

    tools/dist_train.sh configs/sacl/nlvr2_pretrain.py 8 --amp

256 px, 2e-5 throughout, as in ALBEF's own configuration. Then nlvr2.py.
"""

_base_ = [
    '../_base_/models/sacl_base_nlvr2.py',
    '../_base_/datasets/pretrain_4m.py',
    '../_base_/schedules/finetune.py',
    '../_base_/default_runtime.py',
]

load_from = '{{$PRETRAINED:work_dirs/sacl/pretrain/epoch_30.pth}}'
model = dict(
    type='TextAssignment',
    towers=dict(embed_dims=None, vision_backbone=dict(init_cfg=None)),
    multimodal_backbone=dict(type='PairedFusionEncoder'),
)
optim_wrapper = dict(
    optimizer=dict(lr=2e-5, weight_decay=0.02),
    paramwise_cfg=dict(custom_keys={'towers.vision_backbone': dict(lr_mult=1.0)}),
)
train_cfg = dict(max_epochs=1)
# What the next step makes of it is what counts.
val_dataloader = val_cfg = val_evaluator = None
test_dataloader = test_cfg = test_evaluator = None
