"""VQAv2 (train, val and Visual Genome's questions), answers ranked in a closed list (Jiang et al., ACL 2023, App. E).

    python tools/make_answer_list.py configs/sacl/vqa.py data/vqa/answer_list.json    # once
    tools/dist_train.sh configs/sacl/vqa.py 8 --amp
    tools/dist_test.sh configs/sacl/vqa.py work_dirs/sacl/vqa/epoch_8.pth 8    # writes vqa_result.json beside it

8 epochs, batch 1,024 (256 x 4 accumulated), 384 px, 2e-5 for the ViT and 5e-6 for the rest. ALBEF's list has 3,128 answers.
Published (test-dev / test-std): 76.7 / 76.9; the fair baseline without SACL 76.1 / 76.3. Not measured here.
"""

_base_ = [
    '../_base_/models/sacl_base_vqa.py',
    '../_base_/datasets/vqa.py',
    '../_base_/schedules/finetune.py',
    '../_base_/default_runtime.py',
]

load_from = '{{$PRETRAINED:work_dirs/sacl/pretrain/epoch_30.pth}}'
model = dict(
    towers=dict(embed_dims=None, vision_backbone=dict(img_size=384, init_cfg=None)),
    answers='{{$DATA:data/}}/vqa/answer_list.json',
    tokenizer={{_base_.tokenizer}},
)
optim_wrapper = dict(
    accumulative_counts=4,
    optimizer=dict(lr=5e-6),
    paramwise_cfg=dict(custom_keys={'towers.vision_backbone': dict(lr_mult=4.0)}),
)
train_cfg = dict(max_epochs=8)
