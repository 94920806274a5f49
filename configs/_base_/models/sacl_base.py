"""The paper's model (Jiang et al., ACL 2023, Sec. 4.1 and App. D, on ALBEF's shape), 210 million parameters.

CLIP's ViT-B/16, BERT-base layers 0-5 as text encoder, layers 6-11 as fusion encoder, 256-d common space.
"""

vocab_size = 30522
# Each of these can be set by an environment variable: BERT=/path/to/bert tools/dist_train.sh ...
bert = '{{$BERT:bert-base-uncased}}'  # a name on the hub, or a folder
clip_vit = '{{$CLIP_VIT:checkpoints/clip-vit-base-p16.pth}}'  # CLIP's ViT-B/16 in mmpretrain's layout
reference_checkpoint = '{{$REFERENCE:work_dirs/sacl/pretrain_reference/epoch_5.pth}}'

model = dict(
    type='SACLPretrain',
    data_preprocessor=dict(
        type='ImageTextPreprocessor',
        vocab_size=vocab_size,
        mean=[122.770938, 116.7460125, 104.09373615],
        std=[68.5005327, 66.6321579, 70.32316305],
        bgr_to_rgb=True,
    ),
    towers=dict(
        type='TwoTower',
        vision_backbone=dict(
            type='mmpretrain.VisionTransformer',
            arch='base',
            img_size=256,
            patch_size=16,
            pre_norm=True,
            norm_cfg=dict(type='LN', eps=1e-5),  # CLIP's
            layer_cfgs=dict(act_cfg=dict(type='mmpretrain.QuickGELU')),
            out_type='raw',
            init_cfg=dict(type='Pretrained', checkpoint=clip_vit, prefix='backbone.'),
        ),
        neck=dict(type='ImageTokenNeck', in_channels=768),
        text_backbone=dict(type='BertTextEncoder', vocab_size=vocab_size, num_layers=6, checkpoint=bert),
        embed_dims=256,
    ),
    contrastive_loss=dict(
        type='SACLContrastiveLoss',
        policy=dict(
            type='MomentumDistillation',  # ALBEF: weight 0.4 after a ramp over the first of 30 epochs
            weight=0.4,
            ramp=1 / 30,
            base_policy=dict(type='SimilarityRegulation', similarity_temperature=0.3, alpha=(1.0, 0.0)),
        ),
        temperature=0.07,
        temperature_bounds=(0.001, 0.5),
    ),
    multimodal_backbone=dict(type='FusionEncoder', num_layers=6, checkpoint=bert, first_bert_layer=6),
    matching_head=dict(type='MatchingHead'),
    masked_language_head=dict(type='MaskedLanguageHead', vocab_size=vocab_size),
    mask_token=103,
    queue_size=65536,
    momentum=dict(decay=0.995, mlm_distillation=0.4, ramp=1 / 30),
    reference_checkpoint=reference_checkpoint,
)
