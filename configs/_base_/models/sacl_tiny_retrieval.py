"""Fine-tuning of sacl_tiny.py for retrieval: contrast and matching."""

_base_ = ['./sacl_tiny.py']

model = dict(
    _delete_=True,
    type='ImageTextRetrieval',
    data_preprocessor={{_base_.model.data_preprocessor}},
    towers={{_base_.model.towers}},
    contrastive_loss={{_base_.model.contrastive_loss}},
    multimodal_backbone={{_base_.model.multimodal_backbone}},
    matching_head={{_base_.model.matching_head}},
)
