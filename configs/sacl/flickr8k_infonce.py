"""The twin of flickr8k.py with plain InfoNCE, all else equal."""

_base_ = ['./flickr8k.py']

model = dict(contrastive_loss=dict(policy=dict(_delete_=True, type='InfoNCE')))
