"""The twin of pretrain.py with plain InfoNCE, all else equal.

python tools/train.py configs/shape_world/pretrain_infonce.py
"""

_base_ = ['./pretrain.py']

model = dict(contrastive_loss=dict(policy=dict(_delete_=True, type='InfoNCE')))
