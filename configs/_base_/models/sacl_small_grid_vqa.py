"""Question answering with the encoders of sacl_small_grid.py; the decoder starts from the fusion encoder, as it is shaped."""

_base_ = ['./sacl_small_grid.py']

model = dict(
    _delete_=True,
    type='VisualQuestionAnswering',
    data_preprocessor={{_base_.model.data_preprocessor}},
    towers={{_base_.model.towers}},
    multimodal_backbone={{_base_.model.multimodal_backbone}},
    answer_decoder=dict(
        type='AnswerDecoder', width=384, num_layers=2, num_heads=12, vocab_size={{_base_.vocab_size}}, dropout=0.1
    ),
    num_candidates=24,
)
