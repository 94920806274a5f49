"""retrieval.py with the small ViT of hybrid_contrast.py, which comes first.

    python tools/train.py configs/flickr8k/hybrid_retrieval.py --amp

With half of the tokens, twice, as in pretrain_light.py:

    python tools/train.py configs/flickr8k/hybrid_retrieval.py --amp --cfg-options model.towers.vision_backbone.keep_rate=0.5

$CONTRAST: another checkpoint of the first stage. docs/results.md has the numbers.
"""

_base_ = ['./retrieval.py', '../_base_/models/hybrid_vit.py']

load_from = '{{$CONTRAST:work_dirs/flickr8k/hybrid_contrast/epoch_2.pth}}'
model = dict(towers={{_base_.hybrid.towers}}, multimodal_backbone=dict(image_width=256))
# Learned in the first stage, as the projections.
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'towers.vision_backbone': dict(lr_mult=0.2)}))

flip = dict(type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal')
train_dataloader = dict(dataset=dict(pipeline=[{{_base_.load_cells}}, flip, {{_base_.tokenize}}, {{_base_.pack}}]))
val_dataloader = dict(dataset=dict(pipeline=[{{_base_.load_cells}}, {{_base_.tokenize}}, {{_base_.pack}}]))
test_dataloader = val_dataloader
