"""Question answering, reasoning over image pairs, text assignment: the models of the downstream tasks."""

import copy
import json

import pytest
import torch
from mmengine.structures import BaseDataElement
from tiny import TOWERS, VOCAB, batch, build, model_config

from sacl_mm.models.fusion import PairedFusionEncoder
from sacl_mm.models.text_assignment import FIRST, NEITHER, SECOND
from sacl_mm.models.vqa import read_answers
from sacl_mm.registry import MODELS

NO_SPACE = dict(TOWERS, embed_dims=None)
PREPROCESSOR = model_config()['data_preprocessor']
FUSION = model_config()['multimodal_backbone']
TOKENIZER = dict(type='WordPieceTokenizer', vocab=dict(type='shape_world_vocabulary'))
ANSWERS = ['one', 'two', 'a red star', 'a', 'red', 'two red circles']


def build_task(seed=0, **config):
    torch.manual_seed(seed)
    return MODELS.build(dict(towers=NO_SPACE, data_preprocessor=PREPROCESSOR, **copy.deepcopy(config)))


def build_vqa(seed=0, **changes):
    decoder = dict(type='AnswerDecoder', vocab_size=VOCAB, width=32, num_layers=2, num_heads=2, dropout=0.0)
    options = dict(multimodal_backbone=FUSION, answer_decoder=decoder, answers=ANSWERS, tokenizer=TOKENIZER)
    return build_task(seed, type='VisualQuestionAnswering', **options | changes)


def questions(model, answers=(('one', 'two'), ('a red star',), ()), weights=((0.7, 0.3), (1.0,), ())):
    data = batch(model, count=len(answers))
    table = dict(zip(model.answers, zip(model.answer_token_ids, model.answer_mask, strict=True), strict=True))
    for sample, texts, weight in zip(data['data_samples'], answers, weights, strict=True):
        sample.gt_answer_token_ids = [table[text][0][table[text][1]] for text in texts]
        sample.gt_answer_weight = list(weight)
    return data


def build_pair(seed=0, type='ImagePairReasoning'):
    return build_task(seed, type=type, multimodal_backbone=dict(FUSION, type='PairedFusionEncoder'))


def pairs(model, count=3):
    data = batch(model, count=2 * count)
    texts = {key: data[key][:count] for key in ('token_ids', 'text_mask', 'text_ids')}
    samples = [BaseDataElement(gt_label=torch.tensor([i % 2])) for i in range(count)]
    return data | texts | dict(data_samples=samples)


# -------------------------------------------------------------------------------------------------- question answering
def plain_log_likelihood(model, fused_NC, answer):
    """log p of one answer to one question, token by token, without padding."""
    decoder = model.answer_decoder
    ids = torch.tensor(answer)
    total = 0.0
    for position in range(1, len(ids)):
        prefix = ids[None, :position]
        read = decoder(
            prefix,
            torch.ones_like(prefix, dtype=torch.bool),
            decoder.project(fused_NC[None]),
            torch.ones(1, len(fused_NC), dtype=torch.bool),
            torch.tensor([0]),
        )
        total += decoder.logits(read[0, -1]).double().log_softmax(-1)[ids[position]].item()
    return total


def test_vqa_loss_is_the_weighted_likelihood_of_the_answers():
    model = build_vqa().eval()
    data = questions(model)
    fused = model.fuse(data)
    expected = 0.0
    for b, sample in enumerate(data['data_samples']):
        length = int(data['text_mask'][b].sum())
        for tokens, weight in zip(sample.gt_answer_token_ids, sample.gt_answer_weight, strict=True):
            expected -= weight * plain_log_likelihood(model, fused[b, :length], tokens.tolist())
    assert model.loss(data)['loss_answer'].item() == pytest.approx(expected / 3, rel=1e-5)


def test_vqa_ranks_by_likelihood_among_the_most_probable_first_tokens():
    model = build_vqa(num_candidates=4).eval()
    data = questions(model)
    fused = model.fuse(data)
    answers = [ids[mask].tolist() for ids, mask in zip(model.answer_token_ids, model.answer_mask, strict=True)]
    places, scores = model.answer_decoder.rank(fused, data['text_mask'], model.answer_token_ids, model.answer_mask, 4)
    samples = model.predict(data)
    for b in range(3):
        length = int(data['text_mask'][b].sum())
        first = [plain_log_likelihood(model, fused[b, :length], answer[:2]) for answer in answers]
        # Answers 3 and 4 do not begin alike with others; 'two' and 'two red circles' do: list order decides there.
        candidates = sorted(range(len(answers)), key=lambda i: (-round(first[i], 4), i))[:4]
        full = {i: plain_log_likelihood(model, fused[b, :length], answers[i]) for i in candidates}
        expected = sorted(candidates, key=lambda i: -full[i])
        assert places[b].tolist() == expected
        assert scores[b].tolist() == pytest.approx([full[i] for i in expected], rel=1e-4)
        assert samples[b].pred_answer == ANSWERS[expected[0]]
        assert samples[b].pred_score == pytest.approx(full[expected[0]], rel=1e-4)


def test_vqa_learns_through_every_parameter():
    model = build_vqa()
    loss, _ = model.parse_losses(model.loss(questions(model)))
    loss.backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_vqa_starts_from_a_pretrained_model():
    pretrained = build(seed=1).state_dict()
    model = build_vqa(seed=2)
    state = model.adapt_checkpoint(pretrained)
    assert state.keys() == model.state_dict().keys()
    model.load_state_dict(state)
    for ours, theirs in (
        ('multimodal_backbone.layers.1.expand.weight', 'multimodal_backbone.layers.1.expand.weight'),
        ('answer_decoder.layers.0.expand.weight', 'multimodal_backbone.layers.0.expand.weight'),
        ('answer_decoder.head.bias', 'masked_language_head.bias'),
        (
            'answer_decoder.embeddings.word_embeddings.weight',
            'towers.text_backbone.bert.embeddings.word_embeddings.weight',
        ),
    ):
        assert torch.equal(model.state_dict()[ours], pretrained[theirs])
    # Its own checkpoint is taken as it is.
    assert all(torch.equal(value, state[key]) for key, value in model.adapt_checkpoint(state).items())


@pytest.mark.parametrize(
    ('content', 'error', 'message'),
    [
        (None, FileNotFoundError, 'does not exist'),
        ('[]', ValueError, 'at least one answer'),
        ('{"yes": 1}', ValueError, 'must be a list of strings'),
        ('["yes", 3]', ValueError, 'must be a list of strings'),
        ('["yes", "no", "yes"]', ValueError, "1 answers twice: \\['yes'\\]"),
        ('["yes"', ValueError, 'not valid JSON'),
    ],
)
def test_bad_answer_lists(tmp_path, content, error, message):
    file = tmp_path / 'answers.json'
    if content is not None:
        file.write_text(content)
    with pytest.raises(error, match=message):
        build_vqa(answers=str(file))


def test_answer_lists_from_files(tmp_path):
    (tmp_path / 'answers.json').write_text(json.dumps(ANSWERS))
    assert read_answers(str(tmp_path / 'answers.json')) == ANSWERS


def test_questions_without_their_image_are_refused():
    model = build_vqa()
    data = batch(model, count=2, captions=2)
    with pytest.raises(ValueError, match='4 questions and 2 images'):
        model.fuse(data)
    with pytest.raises(ValueError, match='is this a test split'):
        model.loss(questions(model, answers=((), ()), weights=((), ())))


# ------------------------------------------------------------------------------------------------------ image pairs
def test_paired_fusion_alternates_images_and_shares_their_projection():
    torch.manual_seed(0)
    fusion = PairedFusionEncoder(32, 32, 2, 2, dropout=0.0).eval()
    assert len(fusion.layers) == 4
    assert fusion.layers[1].cross_attention.key is fusion.layers[0].cross_attention.key
    assert fusion.layers[3].cross_attention.value is fusion.layers[2].cross_attention.value
    assert fusion.layers[1].cross_attention.query is not fusion.layers[0].cross_attention.query
    text, mask, images = torch.randn(2, 5, 32), torch.ones(2, 5, dtype=torch.bool), torch.randn(3, 7, 32)
    first, second = torch.tensor([0, 2]), torch.tensor([1, 0])
    fused = fusion(text, mask, fusion.project(images), torch.stack([first, second], dim=1))
    expected = text
    for number, layer in enumerate(fusion.layers):
        seen = images[first if number % 2 == 0 else second]
        expected = layer(expected, mask, layer.cross_attention.project(seen))
    torch.testing.assert_close(fused, expected)
    swapped = fusion(text, mask, fusion.project(images), torch.stack([second, first], dim=1))
    assert not torch.allclose(fused, swapped, atol=1e-4)


def test_pair_model_learns_through_every_parameter_and_predicts():
    model = build_pair()
    data = pairs(model)
    loss, logged = model.parse_losses(model.loss(data))
    loss.backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
    assert 0 <= logged['accuracy'] <= 1
    model.eval()
    logits = model(mode='tensor', **data)
    for sample, row in zip(model(mode='predict', **data), logits, strict=True):
        assert sample.pred_label == int(row.argmax())
        torch.testing.assert_close(sample.pred_score, row.softmax(0))


@pytest.mark.parametrize('kind', ['ImagePairReasoning', 'TextAssignment'])
def test_pair_models_start_from_single_images_and_from_each_other(kind):
    pretrained = build(seed=1).state_dict()
    model = build_pair(seed=2, type=kind)
    state = model.adapt_checkpoint(pretrained)
    assert state.keys() == model.state_dict().keys()
    for number in range(4):
        key = 'expand.weight'
        assert torch.equal(
            state[f'multimodal_backbone.layers.{number}.{key}'],
            pretrained[f'multimodal_backbone.layers.{number // 2}.{key}'],
        )
    assignment = build_pair(seed=3, type='TextAssignment').state_dict()
    state = model.adapt_checkpoint(assignment)
    assert torch.equal(
        state['multimodal_backbone.layers.3.expand.weight'], assignment['multimodal_backbone.layers.3.expand.weight']
    )
    if kind == 'ImagePairReasoning':
        assert 'classifier.0.weight' in state
        assert 'assignment_head.weight' not in state


def test_a_pair_needs_two_images():
    model = build_pair()
    data = batch(model, count=3)
    with pytest.raises(ValueError, match='3 statements and 3 images'):
        model.logits(data)


def test_text_assignment_draws_what_it_says():
    model = build_pair(type='TextAssignment')
    data = batch(model, count=8)
    data['image_ids'][5] = data['image_ids'][2]  # two texts of one image
    ids = data['image_ids']
    seen = torch.zeros(3)
    for seed in range(60):
        image_index, case = model.draw(data, seed)
        assert all(torch.equal(x, y) for x, y in zip(model.draw(data, seed), (image_index, case), strict=True))
        seen += torch.bincount(case, minlength=3)
        own = (ids[image_index] == ids[:, None]).T
        assert torch.equal(own[0], case == FIRST)
        assert torch.equal(own[1], case == SECOND)
        assert not own[:, case == NEITHER].any()
    assert (seen / seen.sum() - 1 / 3).abs().max() < 0.08
    model.set_progress(1, 10, 0)
    loss, _ = model.parse_losses(model.loss(data))
    loss.backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
    sample = model.predict(data)[0]
    assert sample.pred_label.shape == sample.gt_label.shape == (1,)
    for one in data['data_samples']:
        one.image_id = 1
    with pytest.raises(ValueError, match='more than one image'):
        model.draw(data, 0)


def test_a_blind_model_sees_no_image():
    model = build_task(type='ImagePairReasoning', multimodal_backbone=dict(FUSION, type='PairedFusionEncoder'))
    model.data_preprocessor.blind = True
    assert not batch(model, count=2)['images'].any()
