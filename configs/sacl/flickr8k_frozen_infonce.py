"""The twin of flickr8k_frozen.py with plain InfoNCE, all else equal."""

_base_ = ['./flickr8k_frozen.py']

model = dict(contrastive_loss=dict(policy=dict(_delete_=True, type='InfoNCE')))
