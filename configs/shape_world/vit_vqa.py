"""vqa.py with a ViT that may merge tokens, or drop them by the question: what token reduction costs in answers.

    python tools/train.py configs/shape_world/vit_vqa.py --amp

The model answers from the words alone for three epochs before it looks at the image. So the comparison goes on from a model
that has learned to look ($PRETRAINED):

    export PRETRAINED=work_dirs/shape_world/vit_vqa/epoch_6.pth
    python tools/train.py configs/shape_world/vit_vqa.py --amp --work-dir work_dirs/both30 --cfg-options \\
        model.towers.vision_backbone.guide=both model.towers.vision_backbone.keep_rate=0.3 train_cfg.max_epochs=4

guide=similarity (default) merges tokens that are alike. With guide=both the question says which count for more. guide=text
drops tokens by the question alone (TRIPS). Results: docs/results.md.
"""

_base_ = ['./vqa.py', '../_base_/models/tiny_vit.py']

load_from = '{{$PRETRAINED:work_dirs/shape_world/vit_pretrain/epoch_8.pth}}'
model = dict(towers=dict(vision_backbone={{_base_.vit}}, freeze_backbone=False))
optim_wrapper = dict(
    optimizer=dict(lr=5e-4),
    # The second key is for the layer that guide='both' adds; at 1.0 it learns faster.
    paramwise_cfg=dict(custom_keys={'vision_backbone': dict(lr_mult=0.3), 'text_queries': dict(lr_mult=0.3)}),
)
train_cfg = dict(max_epochs=6, val_interval=2)
