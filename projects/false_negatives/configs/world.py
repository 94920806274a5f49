"""The embedded world at the study's centre point.

The image encoder is frozen and comes from single objects (`configs/shape_world/backbone.py`, as it is in models/shape_world);
neck, text encoder and projections are trained. Trained anew, the small network learns little else than colours in the same
time, and how soon depends on the seed: graded mAP of InfoNCE then has a standard deviation of 3.6 (docs/results.md).
"""

_base_ = ['../../../configs/shape_world/infonce.py']

custom_imports = dict(imports=['sacl_mm', 'projects.false_negatives.encoded_world'], allow_failed_imports=False)
encoded = dict(
    type='EncodedShapeWorld',
    backbone=dict(
        type='mmpretrain.ResNet',
        depth=18,
        stem_channels=16,
        base_channels=16,
        strides=(1, 2, 2, 1),
        out_indices=(3,),
        norm_cfg=dict(type='GN', num_groups=8),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='models/shape_world/retrieval/model.safetensors',
            prefix='towers.vision_backbone.',
        ),
    ),
)
train_dataloader = dict(dataset=encoded)
val_dataloader = dict(dataset=encoded)
test_dataloader = val_dataloader

model = dict(
    data_preprocessor=dict(mean=None, std=None, bgr_to_rgb=False),
    towers=dict(vision_backbone=None),
    evidence=dict(
        captions=dict(type='CaptionCoverage', columns=128),  # the world has 89 words
        images=dict(type='ImageSimilarity', width=256, backbone=dict(type='StoredGrid')),  # mean and maximum
    ),
)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
train_cfg = dict(val_interval=100)  # at the end
default_hooks = dict(checkpoint=dict(interval=100))
