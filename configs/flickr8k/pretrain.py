"""SACL pre-training on Flickr8k, end to end: ImageNet ResNet-50, MiniLM split into text and fusion encoder.

    FLICKR8K=... MINILM=... RESNET50=... python tools/train.py configs/flickr8k/pretrain.py --amp

For one GPU. On CPUs use frozen.py. Not measured yet: docs/results.md says what is.
"""

_base_ = [
    '../_base_/models/sacl_small.py',
    '../_base_/datasets/flickr8k.py',
    '../_base_/schedules/pretrain_30e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(mean=[103.939, 116.779, 123.68], std=[1.0, 1.0, 1.0], bgr_to_rgb=False),
    towers=dict(
        vision_backbone=dict(
            _delete_=True,
            type='mmpretrain.ResNet',
            depth=50,
            style='caffe',
            norm_cfg=dict(type='BN', eps=1e-3),
            norm_eval=True,
            out_indices=(3,),
            init_cfg=dict(type='Pretrained', checkpoint='{{$RESNET50:checkpoints/resnet50_caffe_imagenet.pth}}'),
        ),
        neck=dict(in_channels=2048, out_channels=384),
        text_backbone=dict(checkpoint={{_base_.minilm}}),
    ),
    multimodal_backbone=dict(checkpoint={{_base_.minilm}}),
    queue_size=4096,
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=200, by_epoch=False),
    dict(type='CosineAnnealingLR', eta_min_ratio=0.1, by_epoch=True, begin=0, convert_to_iter_based=True),
]
