"""The embedded world at the study's centre point: the image encoder is frozen and comes from single objects
(`configs/shape_world/backbone.py`, as it is in models/shape_world), neck, text encoder and projections are trained.

Trained anew, the small network learns little else than colours in the same time, and how soon depends on the seed: graded mAP of
InfoNCE then has a standard deviation of 3.6 over five seeds (docs/results.md).
"""

_base_ = ['../../../configs/shape_world/infonce.py']

model = dict(
    towers=dict(
        vision_backbone=dict(
            init_cfg=dict(
                type='Pretrained',
                checkpoint='models/shape_world/retrieval/model.safetensors',
                prefix='towers.vision_backbone.',
            )
        ),
        freeze_backbone=True,
    ),
    evidence=dict(
        captions=dict(type='CaptionCoverage', columns=128),  # the world has 89 words
        images=dict(type='ImageSimilarity', width=256, backbone={{_base_.model.towers.vision_backbone}}),
    ),
)
train_cfg = dict(val_interval=100)  # at the end
default_hooks = dict(checkpoint=dict(interval=100))
