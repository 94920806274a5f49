"""The twin of pretrain.py with plain InfoNCE, all else equal."""

_base_ = ['./pretrain.py']

model = dict(contrastive_loss=dict(policy=dict(_delete_=True, type='InfoNCE')))
