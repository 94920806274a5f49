"""The embedded world's stand-in for a pre-trained image encoder: which object is where, by shape, colour, size and texture.

    python tools/train.py configs/shape_world/backbone.py

The image encoder of the downstream tasks starts from it, as the paper's starts from CLIP: from captions of whole scenes
alone a small network learns colours within minutes, but no shapes. mmpretrain's classifier with a head for every cell.
"""

_base_ = ['../_base_/models/sacl_tiny.py', '../_base_/schedules/shape_world.py', '../_base_/default_runtime.py']

model = dict(
    _delete_=True,
    type='mmpretrain.ImageClassifier',
    data_preprocessor=dict(type='mmpretrain.ClsDataPreprocessor', mean=[127.5] * 3, std=[64.0] * 3, to_rgb=True),
    backbone={{_base_.model.towers.vision_backbone}},
    head=dict(type='CellAttributeHead', in_channels=128, num_values=[6, 8, 2, 4]),
)
pack = dict(type='mmpretrain.PackInputs', algorithm_keys=['gt_cell_labels'])
train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(type='ShapeWorldObjects', num_images=8192, image_size=64, pipeline=[pack]),
)
val_dataloader = dict(
    batch_size=250,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='ShapeWorldObjects', num_images=1000, image_size=64, start=1_000_000, test_mode=True, pipeline=[pack]
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='CellAttributeAccuracy', attributes=['shape', 'colour', 'size', 'texture'])
test_evaluator = val_evaluator
train_cfg = dict(max_epochs=16, val_interval=4)
default_hooks = dict(logger=dict(interval=64))
