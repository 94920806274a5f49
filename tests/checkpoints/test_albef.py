import math

import pytest
import torch
import torch.nn.functional as F
from albef_examples import FUSION_LAYERS, TASKS, TEXT_LAYERS, C, albef_state, our_model
from transformers import BertConfig, BertModel

from sacl_mm.checkpoints import albef_to_ours, ours_to_albef
from sacl_mm.models import BertTextEncoder, FusionEncoder


def same(first: dict, second: dict) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize('task', TASKS)
def test_the_examples_are_the_checkpoints_of_our_models(task):
    """Every tensor of ours is there, of the right shape, and none besides."""
    model = our_model(task)
    model.load_state_dict(albef_to_ours(albef_state(task)).state, strict=True)


@pytest.mark.parametrize('task', ['pretrain', 'retrieval', 'vqa', 'nlvr2'])
def test_momentum_models_may_be_absent(task):
    model = our_model(task, **(dict(momentum=None) if task in ('pretrain', 'retrieval') else {}))
    model.load_state_dict(albef_to_ours(albef_state(task, momentum=False)).state, strict=True)


@pytest.mark.parametrize('task', TASKS)
def test_there_and_back_is_the_identity(task):
    theirs = albef_state(task)
    ours, left_out = albef_to_ours(theirs)
    back, lost = ours_to_albef(ours)
    assert not lost
    kept = {key: value for key, value in theirs.items() if key not in left_out}
    torch.testing.assert_close(back.pop('temp', None), kept.pop('temp', None), rtol=1e-6, atol=0)
    assert same(back, kept)


@pytest.mark.parametrize('task', TASKS)
def test_back_and_there_is_the_identity(task):
    ours = our_model(task).state_dict()
    theirs, lost = ours_to_albef(ours)
    assert not lost
    again = albef_to_ours(theirs).state
    temperature = 'contrastive_loss.log_temperature'
    torch.testing.assert_close(again.pop(temperature, None), ours.pop(temperature, None), rtol=1e-6, atol=0)
    assert same(again, ours)


def test_what_is_left_out_is_named():
    _, left_out = albef_to_ours(albef_state('pretrain'))
    ids = [f'text_encoder{end}.bert.embeddings.position_ids' for end in ('', '_m')]
    assert sorted(left_out) == sorted(['image_queue', 'text_queue', 'queue_ptr', *ids])
    _, left_out = albef_to_ours(albef_state('retrieval'))
    unused = [key for key in left_out if key.startswith('text_encoder_m.encoder.layer.')]
    assert {int(key.split('.')[3]) for key in unused} == {TEXT_LAYERS, TEXT_LAYERS + 1}
    _, left_out = albef_to_ours(albef_state('text_assignment'))
    ids = 'text_encoder.embeddings.position_ids'
    assert sorted(left_out) == sorted(
        [*(f'{side}_proj.{kind}' for side in ('vision', 'text') for kind in ('weight', 'bias')), 'temp', ids]
    )
    full = our_model('pretrain', queue_size=8).state_dict()
    assert {key.split('.')[0] for key in ours_to_albef(full).left_out} == {'queue'}


def test_some_tensors_by_name():
    theirs = albef_state('pretrain')
    ours = albef_to_ours(theirs).state
    layer = f'text_encoder.bert.encoder.layer.{TEXT_LAYERS + 1}'
    for our_key, their_key in {
        'towers.vision_backbone.ln1.weight': 'visual_encoder.norm.weight',
        'towers.vision_backbone.layers.1.ln1.bias': 'visual_encoder.blocks.1.norm1.bias',
        'towers.vision_backbone.layers.1.ffn.layers.1.bias': 'visual_encoder.blocks.1.mlp.fc2.bias',
        'towers.image_projection.weight': 'vision_proj.weight',
        'multimodal_backbone.layers.1.cross_attention.value.weight': f'{layer}.crossattention.self.value.weight',
        'multimodal_backbone.layers.1.cross_attention_norm.bias': f'{layer}.crossattention.output.LayerNorm.bias',
        'multimodal_backbone.layers.1.self_attention_norm.bias': f'{layer}.attention.output.LayerNorm.bias',
        'multimodal_backbone.layers.1.feed_forward_norm.bias': f'{layer}.output.LayerNorm.bias',
        'masked_language_head.transform.2.weight': 'text_encoder.cls.predictions.transform.LayerNorm.weight',
        'teacher.multimodal_backbone.layers.0.expand.bias': (
            f'text_encoder_m.bert.encoder.layer.{TEXT_LAYERS}.intermediate.dense.bias'
        ),
        'teacher.towers.text_projection.bias': 'text_proj_m.bias',
        'matching_head.classifier.bias': 'itm_head.bias',
    }.items():
        assert torch.equal(ours[our_key], theirs[their_key]), our_key
    assert ours['contrastive_loss.log_temperature'].item() == pytest.approx(math.log(0.07))
    assert torch.equal(
        albef_to_ours(albef_state('vqa')).state['answer_decoder.layers.1.cross_attention.key.weight'],
        albef_state('vqa')['text_decoder.bert.encoder.layer.1.crossattention.self.key.weight'],
    )


def test_a_teacher_that_only_has_towers_goes_back():
    model = our_model('pretrain', momentum=dict(decay=0.9))
    theirs, lost = ours_to_albef(model.state_dict())
    assert not lost
    assert 'vision_proj_m.weight' in theirs
    assert not any(key.startswith('text_encoder_m.cls') for key in theirs)


# ------------------------------------------------------------------------------------------------------- refusals
def test_what_does_not_fit_is_listed_all_at_once():
    state = albef_state('retrieval', momentum=False)
    state['text_encoder.pooler.dense.weight'] = torch.zeros(C, C)
    del state['visual_encoder.blocks.1.attn.qkv.bias']
    state['itm_head.weight'] = torch.zeros(2, C + 1)
    with pytest.raises(ValueError) as caught:
        albef_to_ours(state)
    for part in (
        '1 unknown: text_encoder.pooler.dense.weight',
        '1 missing: visual_encoder.blocks.1.attn.qkv.bias',
        f'1 of another shape: itm_head.weight is (2, {C + 1}), not (2, {C})',
    ):
        assert part in str(caught.value)
    allowed = ['text_encoder.pooler.', 'visual_encoder.blocks.1.attn.qkv.bias', 'itm_head.weight']
    ours, left_out = albef_to_ours(state, allow=allowed)
    assert {'text_encoder.pooler.dense.weight', 'itm_head.weight'} <= set(left_out)
    assert {'matching_head.classifier.weight', 'towers.vision_backbone.layers.1.attn.qkv.bias'}.isdisjoint(ours)
    assert 'matching_head.classifier.bias' in ours


def test_many_keys_are_counted_and_some_named():
    state = {
        k: v for k, v in albef_state('retrieval', momentum=False).items() if not k.startswith('visual_encoder.norm')
    }
    state |= {f'decoder.{i}': torch.zeros(1) for i in range(30)}
    with pytest.raises(
        ValueError, match=r'30 unknown: decoder\.0, decoder\.1, decoder\.2, decoder\.3, \.\.\.; 2 missing'
    ):
        albef_to_ours(state)


def test_a_teacher_is_whole_or_absent():
    state = {key: value for key, value in albef_state('retrieval').items() if not key.startswith('text_proj_m.')}
    with pytest.raises(ValueError, match=r'2 missing: text_proj_m\.weight, text_proj_m\.bias'):
        albef_to_ours(state)


def test_tied_tensors_that_differ_are_refused():
    state = albef_state('pretrain', momentum=False)
    state['text_encoder.cls.predictions.decoder.weight'] += 1
    with pytest.raises(
        ValueError, match='word_embeddings.weight and text_encoder.cls.predictions.decoder.weight differ'
    ):
        albef_to_ours(state)
    state = albef_state('nlvr2', momentum=False)
    state[f'text_encoder.encoder.layer.{TEXT_LAYERS + 3}.crossattention.self.value.bias'] += 1
    with pytest.raises(ValueError, match=rf'layer.{TEXT_LAYERS + 2}.crossattention.self.value.bias and .* differ'):
        albef_to_ours(state)
    ours = our_model('nlvr2').state_dict()
    ours['multimodal_backbone.layers.1.cross_attention.key.weight'] = torch.zeros(C, C)
    with pytest.raises(ValueError, match='differ, which are one tensor'):
        ours_to_albef(ours)


def test_other_models_are_refused():
    with pytest.raises(ValueError, match='this is no model of ALBEF: no key begins with'):
        albef_to_ours(our_model('retrieval').state_dict())
    with pytest.raises(ValueError, match='this is no model of this library'):
        ours_to_albef(albef_state('retrieval'))
    # Visual entailment: one image, three answers.
    state = albef_state('nlvr2', momentum=False)
    state |= {'cls_head.2.weight': torch.zeros(3, C), 'cls_head.2.bias': torch.zeros(3)}
    with pytest.raises(ValueError, match=rf'cls_head.2.weight is \(3, {C}\), not \(2, {C}\)'):
        albef_to_ours(state)


# ------------------------------------------------------------------------------------------------- what exists already
def test_position_embeddings_are_resized_on_loading_as_albef_does():
    theirs = albef_state('retrieval', momentum=False)
    before = theirs['visual_encoder.pos_embed']
    grid = before[:, 1:].reshape(1, 2, 2, C).permute(0, 3, 1, 2)
    resized = F.interpolate(grid, size=(3, 3), mode='bicubic', align_corners=False).permute(0, 2, 3, 1).flatten(1, 2)
    model = our_model('retrieval', grid=3, momentum=None)
    model.load_state_dict(albef_to_ours(theirs).state, strict=True)
    assert torch.equal(model.towers.vision_backbone.pos_embed, torch.cat([before[:, :1], resized], dim=1))


def test_a_split_bert_is_what_the_encoders_load_themselves(tmp_path):
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50,
        hidden_size=C,
        num_hidden_layers=TEXT_LAYERS + FUSION_LAYERS,
        num_attention_heads=2,
        intermediate_size=4 * C,
        max_position_embeddings=20,
    )
    bert = BertModel(config, add_pooling_layer=False)
    bert.save_pretrained(tmp_path)
    theirs = albef_state('retrieval', momentum=False) | {f'text_encoder.{k}': v for k, v in bert.state_dict().items()}
    ours = albef_to_ours(theirs).state
    text = BertTextEncoder(50, C, TEXT_LAYERS, 2, 20, checkpoint=str(tmp_path))
    fusion = FusionEncoder(C, C, FUSION_LAYERS, 2, checkpoint=str(tmp_path), first_bert_layer=TEXT_LAYERS)
    for prefix, encoder in (('towers.text_backbone.', text), ('multimodal_backbone.', fusion)):
        encoder.init_weights()
        for key, value in encoder.state_dict().items():
            if 'cross_attention' not in key:
                assert torch.equal(ours[prefix + key], value), key
