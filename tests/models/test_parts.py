"""Necks, encoders, heads, queue and teacher on their own."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tiny import TOWERS, build
from transformers import BertConfig, BertModel

from sacl_mm.models import BertTextEncoder, FusionEncoder, ImageTokenNeck, MaskedLanguageHead, MatchingHead
from sacl_mm.models.heads import PooledHead
from sacl_mm.models.momentum import MomentumTeacher
from sacl_mm.models.necks.image_token_neck import sine_cosine_positions
from sacl_mm.models.negative_queue import NegativeQueue
from sacl_mm.models.part_sizes import check_longest_text
from sacl_mm.registry import MODELS
from sacl_mm.user_error import UserError


# ------------------------------------------------------------------------------------------------------------ neck
def test_neck_keeps_or_projects_tokens():
    tokens = torch.randn(2, 5, 8)
    assert torch.equal(ImageTokenNeck(8)((tokens,))[0], tokens)
    assert not list(ImageTokenNeck(8).parameters())  # an unused parameter would stop distributed training
    assert ImageTokenNeck(8, 12)(tokens)[0].shape == (2, 5, 12)


def test_neck_makes_tokens_of_a_grid():
    neck = ImageTokenNeck(6, 8)
    (tokens,) = neck((torch.randn(2, 6, 9, 9), torch.randn(2, 6, 3, 4)))
    assert tokens.shape == (2, 13, 8)
    (constant,) = neck(torch.ones(1, 6, 3, 4))
    assert not torch.allclose(constant[0, 1], constant[0, 2])  # positions tell equal cells apart


def test_layers_let_the_first_token_tell_places_apart():
    torch.manual_seed(0)
    left, right = torch.zeros(1, 6, 4, 4), torch.zeros(1, 6, 4, 4)
    left[..., 0], right[..., 3] = 1.0, 1.0
    plain, deep = ImageTokenNeck(6, 8), ImageTokenNeck(6, 8, num_layers=1, num_heads=2)
    torch.testing.assert_close(plain(left)[0][:, 0], plain(right)[0][:, 0])
    assert (deep(left)[0][:, 0] - deep(right)[0][:, 0]).abs().max() > 1e-3
    with pytest.raises(ValueError, match='num_layers needs out_channels'):
        ImageTokenNeck(8, num_layers=1)


def test_positions_equal_their_definition():
    positions = sine_cosine_positions(3, 4, 8)
    for row in range(3):
        for column in range(4):
            expected = []
            for place in (row, column):
                for function in (math.sin, math.cos):
                    expected += [function(place * 1e-4 ** (k / 2)) for k in range(2)]
            assert positions[row * 4 + column].tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ('neck', 'features', 'message'),
    [
        (ImageTokenNeck(6), torch.zeros(2, 6), "out_type='raw'"),
        (ImageTokenNeck(6), torch.zeros(2, 6, 3, 3), 'out_channels'),
        (ImageTokenNeck(6, 6 + 4), torch.zeros(2, 6, 3, 3), 'multiple of 4'),
    ],
)
def test_neck_says_what_is_wrong(neck, features, message):
    with pytest.raises(ValueError, match=message):
        neck(features)


# ---------------------------------------------------------------------------------------------------- BERT weights
@pytest.fixture
def bert(tmp_path):
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50,
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=128,
        max_position_embeddings=40,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model = BertModel(config, add_pooling_layer=False).eval()
    # The library's own initialisation hardly lets layers differ.
    for parameter in model.parameters():
        parameter.data.normal_(0, 0.3)
    model.save_pretrained(tmp_path / 'bert')
    return model, str(tmp_path / 'bert')


def text_encoder(**options):
    return BertTextEncoder(vocab_size=50, width=32, num_layers=2, num_heads=2, max_length=40, **options)


def test_bert_split_in_two_is_the_whole_bert(bert):
    """Layers 0-1 as text encoder, 2-3 as fusion encoder; with cross-attention off, together they are BERT."""
    whole, folder = bert
    encoder = text_encoder(checkpoint=folder).eval()
    fusion = FusionEncoder(32, 16, num_layers=2, num_heads=2, checkpoint=folder, first_bert_layer=2).eval()
    encoder.init_weights()
    fusion.init_weights()
    for layer in fusion.layers:
        layer.cross_attention.output.weight.data.zero_()
        layer.cross_attention_norm = torch.nn.Identity()
    ids = torch.randint(0, 50, (3, 7))
    mask = torch.arange(7) < torch.tensor([[7], [4], [2]])
    fused = fusion(encoder(ids, mask), mask, fusion.project(torch.randn(3, 5, 16)), torch.arange(3))
    expected = whole(ids, attention_mask=mask.long()).last_hidden_state
    torch.testing.assert_close(fused[mask], expected[mask], rtol=1e-4, atol=1e-4)


def test_a_checkpoint_that_does_not_fit_is_named(bert):
    _, folder = bert
    encoder = BertTextEncoder(vocab_size=60, width=32, num_layers=2, num_heads=2, max_length=40, checkpoint=folder)
    with pytest.raises(ValueError, match='does not fit.*word_embeddings'):
        encoder.init_weights()
    with pytest.raises(ValueError, match='4 layers of width 32.*wants 5'):
        FusionEncoder(32, 16, num_layers=2, num_heads=2, checkpoint=folder, first_bert_layer=3).init_weights()


def test_a_missing_checkpoint_is_named_when_training_starts(tmp_path):
    encoder = text_encoder(checkpoint=str(tmp_path))  # building needs no file
    with pytest.raises(FileNotFoundError, match='a folder without a BERT checkpoint'):
        encoder.init_weights()


@pytest.mark.parametrize('name', ['model.safetensors', 'pytorch_model.bin'])
def test_weights_of_a_bert_that_are_missing_or_not_finite_are_named(bert, name):
    """transformers would go on with random ones."""
    whole, folder = bert
    Path(folder, 'model.safetensors').unlink()

    def start_from(state):
        (save_file if name.endswith('safetensors') else torch.save)(state, str(Path(folder, name)))
        encoder = text_encoder(checkpoint=folder)
        encoder.init_weights()
        return encoder

    state, last = dict(whole.state_dict()), 'encoder.layer.1.output.dense.weight'
    start = start_from(
        {f'bert.{key}': value for key, value in state.items()} | {'cls.predictions.bias': torch.zeros(50)}
    )
    assert torch.equal(start.bert.state_dict()[last], state[last])
    with pytest.raises(UserError, match=rf'lacks 1 weights of 2 layers of BERT, the first is {last}'):
        start_from({key: value for key, value in state.items() if key != last})
    with pytest.raises(UserError, match=rf'{name}. has NaN or infinity in 1 of .*: {last}'):
        start_from(state | {last: torch.full_like(state[last], torch.inf)})


# --------------------------------------------------------------------------------------------------------- towers
def test_features_are_unit_vectors_and_padding_does_not_matter():
    towers = MODELS.build(TOWERS).eval()
    ids = torch.randint(5, 89, (4, 6))
    mask = torch.ones(4, 6, dtype=torch.bool)
    text = towers.encode_text(ids, mask)
    torch.testing.assert_close(text.feature.norm(dim=1), torch.ones(4))
    pad = torch.nn.functional.pad
    torch.testing.assert_close(towers.encode_text(pad(ids, (0, 3)), pad(mask, (0, 3))).feature, text.feature)
    image = towers.encode_image(torch.randn(2, 3, 32, 32))
    assert image.tokens.shape == (2, 17, 32)
    torch.testing.assert_close(image.feature.norm(dim=1), torch.ones(2))


def test_a_frozen_backbone_stays_as_it_is():
    resnet = dict(type='mmpretrain.ResNet', depth=18, base_channels=8, stem_channels=8, out_indices=(3,))
    towers = MODELS.build(
        TOWERS
        | dict(
            vision_backbone=resnet,
            neck=dict(type='ImageTokenNeck', in_channels=64, out_channels=32),
            freeze_backbone=True,
        )
    )
    before = {name: value.clone() for name, value in towers.vision_backbone.state_dict().items()}
    towers.train()
    towers.encode_image(torch.randn(4, 3, 32, 32)).feature.sum().backward()
    assert all(torch.equal(value, before[name]) for name, value in towers.vision_backbone.state_dict().items())
    assert all(parameter.grad is None for parameter in towers.vision_backbone.parameters())
    assert towers.neck.projection.weight.grad is not None


# ---------------------------------------------------------------------------------------------------------- heads
def test_heads_equal_cross_entropy():
    fused, matches, weight = torch.randn(5, 3, 8), torch.tensor([1, 0, 0, 1, 1]), torch.tensor([1.0, 1, 0, 1, 0])
    head = MatchingHead(8)
    expected = torch.nn.functional.cross_entropy(head.classifier(fused[:, 0]), matches, reduction='none')
    torch.testing.assert_close(
        head.loss(fused, matches, weight)['loss_itm'], (expected[0] + expected[1] + expected[3]) / 3
    )

    words, language = torch.randn(11, 8), MaskedLanguageHead(8, 11)
    target, soft = torch.randint(0, 11, (5,)), torch.randn(5, 11).softmax(1)
    log_p = language(fused[:, 0], words).log_softmax(1)
    hard = -log_p[torch.arange(5), target]
    torch.testing.assert_close(language.loss(fused[:, 0], words, target)['loss_mlm'], hard.mean())
    mixed = 0.6 * hard + 0.4 * -(soft * log_p).sum(1)
    torch.testing.assert_close(language.loss(fused[:, 0], words, target, soft, 0.4)['loss_mlm'], mixed.mean())


# ---------------------------------------------------------------------------------------------- queue and teacher
def entries(first, count):
    ids = torch.arange(first, first + count)
    rows = ids[:, None].float().expand(-1, 4)
    return dict(image=rows, text=-rows, image_ids=ids, text_ids=ids + 100)


def test_the_queue_overwrites_the_oldest_and_restores_from_a_checkpoint():
    queue = NegativeQueue(7, 4)
    assert (queue.bank().image_ids == -1).all()
    for first in (0, 3, 6, 9):
        queue.enqueue(entries(first, 3))
    assert sorted(queue.image_ids.tolist()) == list(range(5, 12))
    other = NegativeQueue(7, 4)
    other.load_state_dict(queue.state_dict())
    for each in (queue, other):
        each.enqueue(entries(12, 3))
    bank = other.bank()
    assert torch.equal(bank.image_ids, queue.image_ids)
    assert sorted(bank.image_ids.tolist()) == list(range(8, 15))
    assert torch.equal(bank.features.image[:, 0], bank.image_ids.float())
    assert torch.equal(bank.features.text[:, 0], -bank.image_ids.float())
    assert torch.equal(bank.text_ids, bank.image_ids + 100)


def test_a_batch_larger_than_the_queue_is_an_error():
    with pytest.raises(ValueError, match='queue of 4 cannot take a batch of 5'):
        NegativeQueue(4, 4).enqueue(entries(0, 5))


def test_the_teacher_follows_the_student():
    student = dict(net=torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)))
    teacher = MomentumTeacher(student, decay=0.9)
    old = teacher.net[0].weight.clone()
    student['net'][0].weight.data += 1.0
    student['net'][1].running_mean += 5.0
    teacher.follow(student)
    torch.testing.assert_close(teacher.net[0].weight, 0.9 * old + 0.1 * student['net'][0].weight)
    assert torch.equal(teacher.net[1].running_mean, student['net'][1].running_mean)
    teacher.follow(student, decay=0)
    assert torch.equal(teacher.net[0].weight, student['net'][0].weight)
    assert not teacher.train().net.training
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    with pytest.raises(ValueError, match='decay'):
        MomentumTeacher(student, decay=1.0)


def test_pooled_head_ignores_padding_and_reads_what_it_says():
    head = PooledHead(6, 4, maximum=True, hidden=5).eval()
    tokens, mask = torch.randn(3, 7, 6), torch.arange(7) < torch.tensor([7, 4, 1])[:, None]
    got = head(tokens, mask)
    for b in range(3):
        own = tokens[b, mask[b]]
        pooled = torch.cat([own.mean(0), own.amax(0)])
        torch.testing.assert_close(got[b], head.head(pooled))
    torch.testing.assert_close(head(tokens), head(tokens, torch.ones_like(mask)))
    assert PooledHead(6, 4, hidden=5)(tokens).shape == (3, 4)


@pytest.mark.parametrize('freeze', [False, True])
@pytest.mark.parametrize('shape', [(2, 12, 3, 4), (2, 13, 12)], ids=['grid', 'tokens'])
def test_towers_on_stored_features_with_pooled_heads(freeze, shape):
    towers = MODELS.build(
        dict(
            type='TwoTower',
            vision_backbone=None,
            neck=dict(type='ImageTokenNeck', in_channels=12, out_channels=32),
            text_backbone=TOWERS['text_backbone'],
            embed_dims=16,
            image_head=dict(maximum=True, hidden=8),
            text_head=dict(hidden=8),
            freeze_backbone=freeze,
        )
    ).eval()
    stored, ids, mask = torch.randn(shape), torch.randint(5, 80, (3, 6)), torch.ones(3, 6, dtype=torch.bool)
    image, text = towers.encode_image(stored), towers.encode_text(ids, mask)
    assert image.tokens.shape == (2, 13, 32)
    for encoded in (image, text):
        torch.testing.assert_close(encoded.feature.norm(dim=1), torch.ones(len(encoded.feature)))
    expected = towers.image_projection(stored.flatten(2).transpose(1, 2) if stored.ndim == 4 else stored)
    torch.testing.assert_close(image.feature, torch.nn.functional.normalize(expected, dim=-1))


@pytest.mark.parametrize('wrapped', [False, True])
def test_a_text_longer_than_the_models_positions_is_refused_at_the_start(wrapped):
    model = build()  # 40 positions
    model = torch.nn.ModuleDict(dict(module=model)) if wrapped else model
    check_longest_text(model, 'text', 40)
    check_longest_text(model, 'gt_answer', 1000)  # a part that this model does not have
    with pytest.raises(UserError, match=r'a text \(text\) of 41 tokens is longer than the 40 positions of the model'):
        check_longest_text(model, 'text', 41)
