"""The twin of shape_world_pretrain.py with plain InfoNCE, all else equal.

python tools/train.py configs/sacl/shape_world_pretrain_infonce.py
"""

_base_ = ['./shape_world_pretrain.py']

model = dict(contrastive_loss=dict(policy=dict(_delete_=True, type='InfoNCE')))
