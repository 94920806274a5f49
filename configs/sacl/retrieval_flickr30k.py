"""Image-text retrieval on Flickr30K, as retrieval_coco.py but k = 128 (ALBEF); 10 epochs as in ALBEF's own configuration.

    tools/dist_train.sh configs/sacl/retrieval_flickr30k.py 8 --amp
    tools/dist_test.sh configs/sacl/retrieval_flickr30k.py work_dirs/sacl/retrieval_flickr30k/epoch_10.pth 8

Published (1K test, R@1): TR 96.3, IR 85.8; the fair baseline without SACL 94.6, 83.9. Not measured here.
"""

_base_ = [
    '../_base_/models/sacl_base_retrieval.py',
    '../_base_/datasets/flickr30k_retrieval.py',
    '../_base_/schedules/finetune.py',
    '../_base_/default_runtime.py',
]

load_from = '{{$PRETRAINED:work_dirs/sacl/pretrain/epoch_30.pth}}'
model = dict(
    towers=dict(vision_backbone=dict(img_size=384, init_cfg=None)), contrastive_loss=dict(policy=dict(ramp=1 / 10))
)
train_cfg = dict(max_epochs=10)
val_cfg = dict(_delete_=True, type='RerankingValLoop', k=128)
test_cfg = dict(_delete_=True, type='RerankingTestLoop', k=128)
