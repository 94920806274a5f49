"""Flickr8k (see flickr8k.py) as grids of frozen features, which `tools/cache_grids.py configs/flickr8k/grids.py` makes.

$GRIDS: where the grids are.
"""

_base_ = ['./flickr8k.py']

load = dict(type='LoadImageGrid', root='{{$GRIDS:data/flickr8k_grids}}', size=(5, 5))  # of 9 x 9, for speed
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        per='pair',
        pipeline=[
            load,
            dict(type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal'),
            {{_base_.tokenize}},
            {{_base_.pack}},
        ],
    ),
)
val_dataloader = dict(num_workers=0, dataset=dict(pipeline=[load, {{_base_.tokenize}}, {{_base_.pack}}]))
test_dataloader = val_dataloader
