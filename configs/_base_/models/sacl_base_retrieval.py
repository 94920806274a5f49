"""Fine-tuning of sacl_base.py for retrieval: contrast and matching, with ALBEF's distillation and queue."""

_base_ = ['./sacl_base.py']

model = dict(
    _delete_=True,
    type='ImageTextRetrieval',
    data_preprocessor={{_base_.model.data_preprocessor}},
    towers={{_base_.model.towers}},
    contrastive_loss=dict(
        type='SACLContrastiveLoss',
        # ALBEF distils in fine-tuning, too: 0.4 after a ramp over the first of 5 epochs. With alpha = 0 the model weighs
        # for itself (Jiang et al., ACL 2023, App. E).
        policy=dict(
            type='MomentumDistillation',
            weight=0.4,
            ramp=1 / 5,
            base_policy=dict(type='SimilarityRegulation', similarity_temperature=0.3, alpha=0.0),
        ),
        temperature_bounds=(0.001, 0.5),
    ),
    multimodal_backbone={{_base_.model.multimodal_backbone}},
    matching_head={{_base_.model.matching_head}},
    queue_size=65536,
    momentum=dict(decay=0.995),
)
