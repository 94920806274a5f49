"""NLVR2: is a statement true of two images? (Jiang et al., ACL 2023, App. E)

    tools/dist_train.sh configs/sacl/nlvr2_pretrain.py 8 --amp
    tools/dist_train.sh configs/sacl/nlvr2.py 8 --amp
    tools/dist_test.sh configs/sacl/nlvr2.py work_dirs/sacl/nlvr2/epoch_15.pth 8

15 epochs, batch 256, 384 px, 5e-5 for the ViT and 5e-6 for the rest. Published (dev / test-P accuracy): 83.4 / 84.0; the fair
baseline without SACL 82.2 / 83.1. Not measured here. $ASSIGNED: the checkpoint of nlvr2_pretrain.py.
"""

_base_ = [
    '../_base_/models/sacl_base_nlvr2.py',
    '../_base_/datasets/nlvr2.py',
    '../_base_/schedules/finetune.py',
    '../_base_/default_runtime.py',
]

load_from = '{{$ASSIGNED:work_dirs/sacl/nlvr2_pretrain/epoch_1.pth}}'
model = dict(
    towers=dict(embed_dims=None, vision_backbone=dict(img_size=384, init_cfg=None)),
    multimodal_backbone=dict(type='PairedFusionEncoder'),
)
optim_wrapper = dict(
    optimizer=dict(lr=5e-6), paramwise_cfg=dict(custom_keys={'towers.vision_backbone': dict(lr_mult=10.0)})
)
train_cfg = dict(max_epochs=15)
