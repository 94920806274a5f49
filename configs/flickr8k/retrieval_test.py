"""frozen_test.py for the trained text encoder: a model of retrieval.py, re-ranked; human judgements are of its towers' cosine.

python tools/cache_grids.py configs/flickr8k/grids.py data/flickr8k_grids    # adds the test images
python tools/test.py configs/flickr8k/retrieval_test.py work_dirs/flickr8k/retrieval/epoch_2.pth --amp
"""

_base_ = ['./retrieval.py']

test_dataloader = dict(dataset=dict(split_file='Flickr_8k.testImages.txt'))
test_evaluator = [dict(type='RetrievalMetric'), dict(type='CaptionConsensus'), {{_base_.human_judgement}}]
