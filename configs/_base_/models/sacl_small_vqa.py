"""Question answering with sacl_small.py's encoders; the answer decoder starts from the fusion encoder, whose shape it has."""

_base_ = ['./sacl_small.py']

model = dict(
    _delete_=True,
    type='VisualQuestionAnswering',
    data_preprocessor={{_base_.model.data_preprocessor}},
    towers={{_base_.model.towers}},
    fusion={{_base_.model.fusion}},
    answer_decoder=dict(type='AnswerDecoder', width=384, num_layers=3, num_heads=12, vocab_size={{_base_.vocab_size}}),
    num_candidates=128,
)
