"""The twin of shape_world.py with plain InfoNCE, all else equal; also its reference model H.

python tools/train.py configs/sacl/shape_world_infonce.py
"""

_base_ = ['./shape_world.py']

model = dict(contrastive_loss=dict(policy=dict(_delete_=True, type='InfoNCE')), reference_checkpoint=None)
