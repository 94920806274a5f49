"""pretrain.py made light: fewer picture tokens from layer to layer, no momentum teacher.

    tools/dist_train.sh configs/sacl/pretrain_light.py 8 --amp

* After layers 5 and 10 the ViT merges those of a picture's tokens that are most alike, until half of them are left (ToMe): of
  256 tokens 64 reach the fusion encoder. Features stay independent of texts, so that retrieval can keep them.
* Negatives are those of all processes' batches, without teacher, queue and distillation; weights are self-regulated.
* All fusion layers stay: half of them are enough for retrieval (`model.fusion.num_layers=3`), but cost questions 1.6 %.

That was chosen by what it costs small models and what it saves (docs/results.md): less than 1 % of graded mAP and of answers
in the embedded world, nothing of mean recall on Flickr8k. docs/benchmarks.md has its speed. Not trained at full scale.
Fine-tuning takes the same form:

    export PRETRAINED=work_dirs/sacl/pretrain_light/epoch_30.pth
    tools/dist_train.sh configs/sacl/retrieval_coco.py 8 --amp --cfg-options \\
        model.towers.backbone.type=TokenReducedViT model.towers.backbone.keep_rate=0.5
"""

_base_ = ['./pretrain.py']

model = dict(
    towers=dict(backbone=dict(type='TokenReducedViT', guide='similarity', reduction_layers=(5, 10), keep_rate=0.5)),
    contrastive_loss=dict(policy=dict(_delete_=True, type='SimilarityRegulation', similarity_temperature=0.3)),
    queue_size=0,
    momentum=None,
    reference_checkpoint=None,
)
