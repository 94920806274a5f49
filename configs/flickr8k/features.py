"""Features of Flickr8k from a frozen ResNet-50 at 288 px and a frozen MiniLM, for frozen.py.

    export FLICKR8K=... MINILM=... RESNET50=...
    python tools/cache_features.py configs/flickr8k/features.py data/flickr8k_features

$RESNET50: an ImageNet ResNet-50 in mmpretrain's layout, caffe style (stride in the 1 x 1 convolution, BGR, no division by
the standard deviation). 13 minutes on one shared CPU core.
"""

_base_ = ['../_base_/datasets/flickr8k.py']

pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=(288, 288), interpolation='bicubic'),
    {{_base_.tokenize}},
    {{_base_.pack}},
]
files = dict(
    type='ImageTextPairs',
    ann_file='Flickr8k.token.txt',
    data_root={{_base_.data_root}},
    data_prefix=dict(img_path='images'),
    test_mode=True,
    pipeline=pipeline,
)
datasets = dict(
    train=dict(split_file='Flickr_8k.trainImages.txt', **files), dev=dict(split_file='Flickr_8k.devImages.txt', **files)
)
data_preprocessor = dict(
    type='ImageTextPreprocessor', vocab_size=30522, mean=[103.939, 116.779, 123.68], std=[1.0, 1.0, 1.0]
)
image_encoder = dict(
    type='mmpretrain.ResNet',
    depth=50,
    style='caffe',
    norm_cfg=dict(type='BN', eps=1e-3),
    out_indices=(2, 3),
    init_cfg=dict(type='Pretrained', checkpoint='{{$RESNET50:checkpoints/resnet50_caffe_imagenet.pth}}'),
)
text_encoder = dict(
    type='BertTextEncoder', width=384, num_layers=6, num_heads=12, dropout=0.0, checkpoint={{_base_.minilm}}
)
