"""What is measured."""

MEASURES = (
    'retrieval/mAP',
    'retrieval/TR/mAP',
    'retrieval/IR/mAP',
    'retrieval/TR/P@1',
    'retrieval/IR/P@1',
    'retrieval/R@mean',
)
RECALL = 'retrieval/R@mean'
# Re-ranking moves a few candidates of each query: what comes first tells most.
RERANKED_MEASURES = ('retrieval/TR/P@1', RECALL, 'retrieval/IR/P@1', 'retrieval/mAP')
# Agreement with captions of other images, by words and by a sentence encoder.
WORDS, SENTENCES = 'consensus/NCS@mean', 'sentences/NCS@mean'
PHOTO_MEASURES = (RECALL, WORDS, SENTENCES, 'retrieval/TR/R@1', 'retrieval/IR/R@1')
