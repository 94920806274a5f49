"""pretrain.py made light: fewer image tokens, no momentum teacher.

    tools/dist_train.sh configs/sacl/pretrain_light.py 8 --amp

* After layers 5 and 10 the ViT merges the most similar tokens of an image until half are left (ToMe). Of 256 tokens 64 reach
  the fusion encoder. Features stay independent of texts, so retrieval can store them.
* Negatives are those of all processes' batches. There is no teacher, queue or distillation; weights are self-regulated.
* All fusion layers stay. Half of them (`model.multimodal_backbone.num_layers=3`) are enough for retrieval, not for questions.

What it costs small models: docs/results.md. Its speed: docs/benchmarks.md. Not trained at full scale.
Fine-tuning takes the same form:

    export PRETRAINED=work_dirs/sacl/pretrain_light/epoch_30.pth
    tools/dist_train.sh configs/sacl/retrieval_coco.py 8 --amp --cfg-options \\
        model.towers.vision_backbone.type=TokenReducedViT model.towers.vision_backbone.keep_rate=0.5
"""

_base_ = ['./pretrain.py']

model = dict(
    towers=dict(
        vision_backbone=dict(type='TokenReducedViT', guide='similarity', reduction_layers=(5, 10), keep_rate=0.5)
    ),
    contrastive_loss=dict(policy=dict(_delete_=True, type='SimilarityRegulation', similarity_temperature=0.3)),
    queue_size=0,
    momentum=None,
    reference_checkpoint=None,
)
