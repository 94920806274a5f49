"""Retrieval on COCO's test images by a model that was not tuned on COCO, as retrieval_coco.py measures it.

    tools/dist_test.sh configs/sacl/zeroshot_coco.py work_dirs/sacl/retrieval_flickr30k/epoch_10.pth 8

With missing matches counted (ECCV Caption, CxC): pip install -e .[eccv]. The pre-training data hold COCO's training images,
not its test images; the pre-trained model can be given as well (its position embeddings are resized from 256 px). The paper
reports no number for this.
"""

_base_ = ['./retrieval_coco.py']

load_from = None
train_dataloader = None
train_cfg = None
optim_wrapper = None
param_scheduler = None
