"""shape_world.py's captions with the vocabulary of questions and statements, too: for models that go on to these."""

_base_ = ['./shape_world.py']

tokenizer = dict(type='WordPieceTokenizer', vocab=dict(type='shape_world_vocabulary', questions=True))
tokenize = dict(type='TokenizeText', tokenizer=tokenizer, max_length=30)
train_dataloader = dict(dataset=dict(pipeline=[dict(type='SampleCaption'), tokenize, {{_base_.pack}}]))
val_dataloader = dict(dataset=dict(pipeline=[tokenize, {{_base_.pack}}]))
test_dataloader = val_dataloader
