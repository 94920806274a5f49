"""The reference model H: the same two towers, InfoNCE on COCO's human annotations (Jiang et al., ACL 2023, Sec. 3.3).

    tools/dist_train.sh configs/sacl/pretrain_reference.py 8 --amp

The paper gives no schedule for H; 5 epochs with pre-training's rates are chosen here.
"""

_base_ = [
    '../_base_/models/sacl_base.py',
    '../_base_/datasets/coco_captions.py',
    '../_base_/schedules/pretrain_30e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    _delete_=True,
    type='DualEncoder',
    data_preprocessor={{_base_.model.data_preprocessor}},
    towers={{_base_.model.towers}},
    contrastive_loss=dict(type='SACLContrastiveLoss', policy=dict(type='InfoNCE')),
)
train_cfg = dict(max_epochs=5)
