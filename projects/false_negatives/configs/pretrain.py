"""Pre-training in the embedded world with fusion, at the study's centre point: the start of what is fine-tuned.

The image encoder is that of `world.py`.
"""

_base_ = ['../../../configs/shape_world/pretrain_infonce.py']

model = dict(
    towers=dict(
        vision_backbone=dict(
            init_cfg=dict(
                _delete_=True,
                type='Pretrained',
                checkpoint='models/shape_world/retrieval/model.safetensors',
                prefix='towers.vision_backbone.',
            )
        )
    ),
    evidence=dict(captions=dict(type='CaptionCoverage', columns=128)),
)
default_hooks = dict(checkpoint=dict(interval=100))
