"""Flickr8k's 1,000 test images, with human judgements of which negatives are false, by a model of frozen.py or its twin.

    export FLICKR8K=... RESNET50=...
    python tools/test.py configs/flickr8k/frozen_test.py work_dirs/flickr8k/frozen/epoch_10.pth

Needs besides, in $FLICKR8K: Flickr_8k.testImages.txt, ExpertAnnotations.txt, CrowdFlowerAnnotations.txt. For a copy of these
with malformed lines: --cfg-options test_evaluator.2.skip_bad_lines=True
"""

_base_ = ['./frozen.py']

test_dataloader = dict(dataset=dict(split_file='Flickr_8k.testImages.txt'))
test_evaluator = [dict(type='RetrievalMetric'), dict(type='CaptionConsensus'), {{_base_.human_judgement}}]
