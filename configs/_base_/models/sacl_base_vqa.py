"""Question answering with sacl_base.py's encoders; the answer decoder starts from the fusion encoder, whose shape it has."""

_base_ = ['./sacl_base.py']

model = dict(
    _delete_=True,
    type='VisualQuestionAnswering',
    data_preprocessor={{_base_.model.data_preprocessor}},
    towers={{_base_.model.towers}},
    multimodal_backbone={{_base_.model.multimodal_backbone}},
    answer_decoder=dict(type='AnswerDecoder', num_layers=6, vocab_size={{_base_.vocab_size}}),
    num_candidates=128,
)
