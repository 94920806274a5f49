"""retrieval.py with a ViT that may merge tokens: what token reduction costs in retrieval with re-ranking.

    python tools/train.py configs/shape_world/vit_retrieval.py --amp
    python tools/train.py configs/shape_world/vit_retrieval.py --amp --cfg-options model.towers.vision_backbone.keep_rate=0.5

Results: docs/results.md. A text must not guide the reduction here: features have to be independent of texts.
$PRETRAINED: another checkpoint to start from, best one that was pre-trained with the same settings.
"""

_base_ = ['./retrieval.py', '../_base_/models/tiny_vit.py']

load_from = '{{$PRETRAINED:work_dirs/shape_world/vit_pretrain/epoch_8.pth}}'
model = dict(towers=dict(vision_backbone={{_base_.vit}}, freeze_backbone=False))
optim_wrapper = dict(optimizer=dict(lr=5e-4), paramwise_cfg=dict(custom_keys={'vision_backbone': dict(lr_mult=0.3)}))
train_cfg = dict(max_epochs=1, val_interval=1)
