"""Zero-shot retrieval on Flickr30K: a model that never saw its training images; k = 128, 384 px, ITM alone.

    tools/dist_test.sh configs/sacl/zeroshot_flickr30k.py work_dirs/sacl/retrieval_coco/epoch_5.pth 8

As in ALBEF and the paper this is the model *fine-tuned on COCO*, not the pre-trained one. (That one can be given as well: its
position embeddings are resized from 256 px.) Published (1K test, R@1): TR 92.4, IR 79.4; the fair baseline without SACL
91.0, 77.4. Not measured here.
"""

_base_ = ['./retrieval_flickr30k.py']

load_from = None
train_dataloader = None
train_cfg = None
optim_wrapper = None
param_scheduler = None
