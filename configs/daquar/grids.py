"""Grids of DAQUAR from a frozen ResNet-50 at 416 x 320 px: 10 x 13 x 3,072 (stage 3, averaged to 10 x 13, and stage 4).

    export DAQUAR=... RESNET50=...
    python tools/cache_grids.py configs/daquar/grids.py data/daquar_grids

$RESNET50 as in ../flickr8k/grids.py. 800 kB per image.
"""

_base_ = ['../flickr8k/grids.py']

images = '{{$DAQUAR:data/daquar}}/images'
pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=(416, 320), interpolation='bicubic'),
    dict(type='mmpretrain.PackInputs'),
]
