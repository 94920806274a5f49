"""Flickr8k's development images, both encoders frozen, at the study's centre point (`configs/flickr8k/frozen.py`).

Needs FLICKR8K, RESNET50 and MINILM, as there. Agreement is judged by words (`consensus`) and by MiniLM (`sentences`): a policy
counts by the one that it was not given.
"""

_base_ = ['../../../configs/flickr8k/frozen_infonce.py']

model = dict(
    evidence=dict(
        captions=dict(type='CaptionCoverage'),
        sentences=dict(type='SentenceSimilarity', width=384),
        images=dict(type='ImageSimilarity', width=5120),
    )
)
val_evaluator = [dict(type='RetrievalMetric'), dict(type='CaptionConsensus'), dict(type='SentenceConsensus')]
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(interval=100))
