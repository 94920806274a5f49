"""contrast.py with a small ViT over the frozen ResNet-50's cells, which may merge tokens.

    python tools/cache_grids.py configs/flickr8k/grids.py data/flickr8k_grids    # once
    python tools/train.py configs/flickr8k/hybrid_contrast.py --amp
    python tools/train.py configs/flickr8k/hybrid_retrieval.py --amp             # second stage

Half of the tokens, twice: --cfg-options model.towers.vision_backbone.keep_rate=0.5. Results: docs/results.md.
"""

_base_ = ['./contrast.py', '../_base_/models/hybrid_vit.py']

model = {{_base_.hybrid}}
# The schedule gives backbones five times the rate, for those that are trained already; this one is new.
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'towers.vision_backbone': dict(lr_mult=1.0)}))
train_cfg = dict(max_epochs=2, val_interval=2)

flip = dict(type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal')
train_dataloader = dict(dataset=dict(pipeline=[{{_base_.load_cells}}, flip, {{_base_.tokenize}}, {{_base_.pack}}]))
val_dataloader = dict(dataset=dict(pipeline=[{{_base_.load_cells}}, {{_base_.tokenize}}, {{_base_.pack}}]))
test_dataloader = val_dataloader
