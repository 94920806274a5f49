"""Tokens of Flickr8k from a frozen DINOv2 ViT-S/14 at 224 px: 257 x 384, 200 kB per image.

    export FLICKR8K=... VIT=...
    python tools/cache_grids.py configs/flickr8k/vit_tokens.py data/flickr8k_tokens

$VIT: mmpretrain's file of the model.
"""

images = '{{$FLICKR8K:data/flickr8k}}/images'
pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=(224, 224), interpolation='bicubic', backend='pillow'),
    dict(type='mmpretrain.PackInputs'),
]
data_preprocessor = dict(
    type='ImgDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True
)
image_encoder = dict(
    type='mmpretrain.VisionTransformer',
    arch='dinov2-small',
    img_size=518,  # of its positions
    patch_size=14,
    layer_scale_init_value=1e-5,
    out_type='raw',
    init_cfg=dict(
        type='Pretrained', checkpoint='{{$VIT:checkpoints/vit-small-p14_dinov2-pre_3rdparty.pth}}', prefix='backbone.'
    ),
)
