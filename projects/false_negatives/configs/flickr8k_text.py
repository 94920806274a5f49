"""Flickr8k's development images, the text encoder trained, at the centre point of `configs/flickr8k/contrast.py`.

Needs FLICKR8K, MINILM and GRIDS, as there. Agreement is judged by words and by MiniLM as it was before the training.
"""

_base_ = ['../../../configs/flickr8k/contrast.py']

minilm = {{_base_.bert}}
sentences = dict(
    type='SentenceSimilarity',
    width=384,
    text_encoder=dict(type='BertTextEncoder', width=384, num_layers=6, num_heads=12, dropout=0.0, checkpoint=minilm),
    tokenizer=dict(type='WordPieceTokenizer', pretrained=minilm),
)
model = dict(
    contrastive_loss=dict(policy=dict(_delete_=True, type='InfoNCE')),
    evidence=dict(captions=dict(type='CaptionCoverage'), sentences=sentences),
)
val_evaluator = [
    dict(type='RetrievalMetric'),
    dict(type='CaptionConsensus'),
    dict(type='SentenceConsensus', source=sentences),
]
test_evaluator = val_evaluator
optim_wrapper = dict(type='BFloat16OptimWrapper')  # as by --amp on CPUs
default_hooks = dict(checkpoint=dict(interval=100))
