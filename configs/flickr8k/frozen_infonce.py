"""The twin of frozen.py with plain InfoNCE, all else equal."""

_base_ = ['./frozen.py']

model = dict(contrastive_loss=dict(policy=dict(_delete_=True, type='InfoNCE')))
