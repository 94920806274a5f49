"""COCO captions, Karpathy's split: 113,287 training images (train and restval), the 5K test images for measuring.

Expected below `data/coco/` (or $DATA/coco/): dataset_coco.json, train2014/, val2014/.
"""

_base_ = ['./pretrain_4m.py']

coco = '{{$DATA:data/}}/coco'

train_dataloader = dict(
    dataset=dict(
        ann_file='dataset_coco.json', data_root=coco, format='karpathy', split=['train', 'restval'], per='pair'
    )
)
val_dataloader = dict(
    dataset=dict(
        ann_file='dataset_coco.json', data_root=coco, data_prefix=dict(img_path=''), format='karpathy', split='test'
    )
)
test_dataloader = val_dataloader
