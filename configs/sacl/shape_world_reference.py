"""A reference model H for the embedded world: two towers, InfoNCE.

python tools/train.py configs/sacl/shape_world_reference.py
"""

_base_ = ['./shape_world.py']

model = dict(
    _delete_=True,
    type='DualEncoder',
    data_preprocessor={{_base_.model.data_preprocessor}},
    towers={{_base_.model.towers}},
    contrastive_loss=dict(type='SACLContrastiveLoss', policy=dict(type='InfoNCE')),
)
