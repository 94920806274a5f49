"""The twin of sacl.py with plain InfoNCE, all else equal; also its reference model H.

python tools/train.py configs/shape_world/infonce.py
"""

_base_ = ['./sacl.py']

model = dict(contrastive_loss=dict(policy=dict(_delete_=True, type='InfoNCE')), reference_checkpoint=None)
