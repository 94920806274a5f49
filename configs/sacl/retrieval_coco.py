"""Image-text retrieval on COCO: self-regulated SACL (alpha = 0) and matching, re-ranked (Jiang et al., ACL 2023, App. E).

    tools/dist_train.sh configs/sacl/retrieval_coco.py 8 --amp
    tools/dist_test.sh configs/sacl/retrieval_coco.py work_dirs/sacl/retrieval_coco/epoch_5.pth 8

5 epochs, batch 256, 384 px, 1e-5 for the ViT and 2e-6 for the rest, k = 256, ITM alone. Published (5K test, R@1): TR 77.3,
IR 60.4; the fair baseline without SACL 76.6, 58.4. Not measured here. $PRETRAINED: the checkpoint to start from.

The test also counts matches that COCO's annotation misses (ECCV Caption, CxC): pip install -e .[eccv]
"""

_base_ = [
    '../_base_/models/sacl_base_retrieval.py',
    '../_base_/datasets/coco_retrieval.py',
    '../_base_/schedules/finetune.py',
    '../_base_/default_runtime.py',
]

load_from = '{{$PRETRAINED:work_dirs/sacl/pretrain/epoch_30.pth}}'
model = dict(towers=dict(vision_backbone=dict(img_size=384, init_cfg=None)))
val_cfg = dict(_delete_=True, type='RerankingValLoop', k=256)
test_cfg = dict(_delete_=True, type='RerankingTestLoop', k=256)
