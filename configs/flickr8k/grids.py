"""Grids of Flickr8k from a frozen ResNet-50 at 288 px: 9 x 9 x 3,072 (stage 3, averaged to 9 x 9, and stage 4).

    export FLICKR8K=... RESNET50=...
    python tools/cache_grids.py configs/flickr8k/grids.py data/flickr8k_grids

$RESNET50: an ImageNet ResNet-50 in mmpretrain's layout, caffe style (stride in the 1 x 1 convolution, BGR, no division by
the standard deviation). 500 kB per image.
"""

images = '{{$FLICKR8K:data/flickr8k}}/images'
pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=(288, 288), interpolation='bicubic'),
    dict(type='mmpretrain.PackInputs'),
]
data_preprocessor = dict(type='ImgDataPreprocessor', mean=[103.939, 116.779, 123.68], std=[1.0, 1.0, 1.0])
image_encoder = dict(
    type='mmpretrain.ResNet',
    depth=50,
    style='caffe',
    norm_cfg=dict(type='BN', eps=1e-3),
    out_indices=(2, 3),
    init_cfg=dict(type='Pretrained', checkpoint='{{$RESNET50:checkpoints/resnet50_caffe_imagenet.pth}}'),
)
