"""Flickr30K retrieval, Karpathy's split, 384 px: 29,000 training, 1,014 validation and 1,000 test images.

Expected below `data/flickr30k/` (or $DATA/flickr30k/): dataset_flickr30k.json, images/.
"""

_base_ = ['./coco_retrieval.py']

files = dict(
    ann_file='dataset_flickr30k.json', data_root='{{$DATA:data/}}/flickr30k', data_prefix=dict(img_path='images')
)
train_dataloader = dict(dataset=dict(split='train', **files))
val_dataloader = dict(dataset=files)
test_dataloader = dict(dataset=files)
