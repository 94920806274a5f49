"""Reasoning over two images with sacl_tiny.py's encoders; each fusion layer becomes two."""

_base_ = ['./sacl_tiny.py']

model = dict(
    _delete_=True,
    type='ImagePairReasoning',
    data_preprocessor={{_base_.model.data_preprocessor}},
    towers={{_base_.model.towers}},
    multimodal_backbone={{_base_.model.multimodal_backbone}},
)
