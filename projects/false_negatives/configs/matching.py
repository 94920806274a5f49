"""Re-ranked retrieval in the embedded world, fine-tuned with InfoNCE and matching."""

_base_ = ['../../../configs/shape_world/retrieval.py']

model = dict(
    contrastive_loss=dict(policy=dict(_delete_=True, type='InfoNCE')),
    evidence=dict(captions=dict(type='CaptionCoverage', columns=128)),
)
default_hooks = dict(checkpoint=dict(interval=100))
