"""Tokens that are alike become one, which weighs as much as they did."""

import copy

import pytest
import torch
import torch.nn.functional as F
from gloo import run_on_processes
from test_downstream import build_pair, build_vqa, pairs, questions
from tiny import MERGING, TOWERS, batch, build, model_config

from sacl_mm.compatibility import load_mmpretrain
from sacl_mm.engine.runner.encoded_texts import EncodedTexts
from sacl_mm.layers import CrossAttention
from sacl_mm.layers.token_reduction import merge_alike
from sacl_mm.models.heads import PooledHead
from sacl_mm.registry import MODELS

load_mmpretrain()
from sacl_mm.models.backbones.token_reduced_vit import sized_attention  # noqa: E402

TEACHER = dict(queue_size=8, momentum=dict(decay=0.9, mlm_distillation=0.4, ramp=0.5))


def merged_plainly(tokens, sizes, keep_rate, importance=None):
    """Of one image, (1 + N, C): the tokens, as a list of (count, token), in no order."""
    wanted = -int(-keep_rate * (len(tokens) - 1) // 1)
    importance = [1.0] * len(tokens) if importance is None else importance.tolist()
    first, *rest = zip(sizes.tolist(), importance, tokens, strict=True)
    while len(rest) > wanted:
        receivers, senders = rest[::2], rest[1::2]
        best = []
        for number, (_, sent, token) in enumerate(senders):
            loss = [
                (1 - F.cosine_similarity(token, other, dim=0).item()) / (1 / sent + 1 / received)
                for _, received, other in receivers
            ]
            best.append((min(loss), number, loss.index(min(loss))))
        best = sorted(best)[: min(len(rest) - wanted, max(1, len(rest) // 4))]
        groups = {number: [receiver] for number, receiver in enumerate(receivers)}
        gone = set()
        for _, sender, receiver in best:
            groups[receiver].append(senders[sender])
            gone.add(sender)
        merged = []
        for group in groups.values():
            size = sum(size for size, _, _ in group)
            count = sum(size * weight for size, weight, _ in group)
            merged.append((size, count / size, sum(size * weight * token for size, weight, token in group) / count))
        rest = merged + [sender for number, sender in enumerate(senders) if number not in gone]
    return [(size * weight, token) for size, weight, token in [first, *rest]]


@pytest.mark.parametrize('weighed', [False, True])
@pytest.mark.parametrize('keep_rate', [0.9, 0.7, 0.5, 0.3, 0.01])
@pytest.mark.parametrize('number', [1, 2, 7, 16])
def test_merging_equals_plain_loops(number, keep_rate, weighed):
    tokens = torch.randn(3, 1 + number, 5, dtype=torch.float64)
    sizes = torch.randint(1, 4, (3, 1 + number)).double()
    importance = torch.rand(3, 1 + number, dtype=torch.float64) + 0.1 if weighed else None
    merged, merged_sizes = merge_alike(tokens, sizes, keep_rate, importance)
    for b in range(3):
        expected = merged_plainly(tokens[b], sizes[b], keep_rate, importance[b] if weighed else None)
        counts = torch.tensor([count for count, _ in expected], dtype=torch.float64)
        torch.testing.assert_close(merged_sizes[b], counts, rtol=1e-12 if weighed else 0, atol=0)
        torch.testing.assert_close(merged[b], torch.stack([token for _, token in expected]))


def test_nothing_is_lost_and_every_token_learns():
    tokens = torch.randn(2, 10, 4, dtype=torch.float64, requires_grad=True)
    merged, sizes = merge_alike(tokens, None, 0.3)
    assert merged.shape == (2, 1 + 3, 4)
    assert (sizes.sum(dim=1) == 10).all()
    assert not sizes.requires_grad  # attention would keep its scores
    total = (merged * sizes[..., None]).sum(dim=1)
    torch.testing.assert_close(total, tokens.sum(dim=1))
    total.sum().backward()
    torch.testing.assert_close(tokens.grad, torch.ones_like(tokens))


def test_gradients_of_weighed_tokens():
    torch.manual_seed(0)
    tokens = torch.randn(2, 10, 4, dtype=torch.float64, requires_grad=True)
    importance = torch.rand(2, 10, dtype=torch.float64).add(0.1).requires_grad_()
    sizes = torch.randint(1, 4, (2, 10)).double()
    assert torch.autograd.gradcheck(lambda x, weight: merge_alike(x, sizes, 0.3, weight), (tokens, importance))


def test_keeping_everything_merges_nothing():
    tokens = torch.randn(2, 6, 4)
    merged, sizes = merge_alike(tokens, None, 1.0)
    assert merged is tokens
    assert (sizes == 1).all()


def test_keeping_everything_weighs_it():
    tokens, importance = torch.randn(2, 6, 4), torch.rand(2, 6) + 0.1
    merged, sizes = merge_alike(tokens, None, 1.0, importance)
    torch.testing.assert_close(merged, tokens)
    assert torch.equal(sizes, importance)


@pytest.mark.parametrize('seen', [None, [[True, True, False, True], [True, False, True, True]]])
@pytest.mark.parametrize('image', [None, [1, 0, 1, 1]])
def test_a_token_of_size_s_is_read_as_s_tokens(seen, image):
    torch.manual_seed(0)
    attention = CrossAttention(width=8, image_width=6, heads=2).double()
    tokens = torch.randn(2, 4, 6, dtype=torch.float64)
    sizes = torch.tensor([[1, 3, 1, 2], [2, 1, 4, 0 + 1]])
    mask = None if seen is None else torch.tensor(seen)
    texts = torch.randn(4, 3, 8, dtype=torch.float64)
    image = None if image is None else torch.tensor(image)
    meets = [0, 1, 0, 1] if image is None else image.tolist()
    found = attention(texts, attention.project(tokens, sizes.float()), image, mask)
    for row, number in enumerate(meets):
        times = sizes[number] if mask is None else sizes[number] * mask[number]
        repeated = tokens[number].repeat_interleave(times, dim=0)
        expected = attention(texts[row : row + 1], attention.project(repeated[None]))
        torch.testing.assert_close(found[row : row + 1], expected)


def test_a_vits_token_of_size_s_counts_as_s_tokens():
    attention = MODELS.build(MERGING).layers[0].attn.double()
    tokens, times = torch.randn(1, 4, 32, dtype=torch.float64), torch.tensor([1, 3, 2, 1])
    found = sized_attention(attention, tokens, times[None].float())
    expected = attention(tokens[0].repeat_interleave(times, dim=0)[None])
    first = times.cumsum(0) - times
    torch.testing.assert_close(found, expected[:, first])


def test_the_mean_over_tokens_is_that_over_what_they_stand_for():
    head = PooledHead(in_channels=3, embed_dims=2).double().eval()
    tokens, times = torch.randn(1, 3, 3, dtype=torch.float64), torch.tensor([1, 4, 2])
    repeated = tokens[0].repeat_interleave(times, dim=0)[None]
    torch.testing.assert_close(head(tokens, size_BN=times[None].float()), head(repeated))


# ------------------------------------------------------------------------------ twins: merging what is equal changes nothing
def merging_and_not(build_one):
    """The same model, with tokens merged after the first layer and without."""
    models = []
    for keep_rate in (0.75, 1.0):
        model = build_one(dict(MERGING, keep_rate=keep_rate)).double().eval()
        for towers in [model.towers] + ([model.teacher.towers] if getattr(model, 'teacher', None) else []):
            towers.vision_backbone.pos_embed.data.zero_()
        models.append(model)
    models[0].load_state_dict(models[1].state_dict())
    return models


def with_twins(data):
    """Images of 4 x 4 patches, each equal to the one beside it: there are 8 kinds of tokens."""
    images = data['images'].double()
    halves = images.unflatten(3, (2, 2, 8))[:, :, :, :, :1].expand(-1, -1, -1, -1, 2, -1)
    return data | dict(images=halves.flatten(3))


def towers_of(backbone, **options):
    return copy.deepcopy(dict(TOWERS, vision_backbone=backbone) | options)


@pytest.mark.parametrize('head', [None, dict(maximum=True)], ids=['first token', 'mean and maximum'])
def test_fewer_tokens_and_as_many_meanings(head):
    merging, plain = merging_and_not(lambda backbone: build(towers=towers_of(backbone, image_head=head)))
    data = with_twins(batch(merging))
    image, unmerged = (model.towers.encode_image(data['images']) for model in (merging, plain))
    assert image.tokens.shape == (8, 1 + 12, 32)
    assert image.sizes.sort(dim=1).values.tolist() == [9 * [1.0] + 4 * [2.0]] * 8
    assert unmerged.sizes is None
    torch.testing.assert_close(image.feature, unmerged.feature)


@pytest.mark.parametrize('changes', [dict(), TEACHER, dict(checkpoint_rows=3), dict(length_buckets=2)])
def test_pretraining_does_not_notice(changes):
    def build_one(backbone):
        rows = {'checkpoint_rows': changes['checkpoint_rows']} if 'checkpoint_rows' in changes else {}
        fusion = dict(type='FusionEncoder', width=32, image_width=32, num_layers=2, num_heads=2, dropout=0.0)
        fusion |= {key: value for key, value in changes.items() if key in ('checkpoint_rows', 'length_buckets')}
        return build(
            towers=towers_of(backbone, **rows), multimodal_backbone=fusion, **(TEACHER if changes is TEACHER else {})
        )

    losses = []
    for model in merging_and_not(build_one):
        model.set_progress(3, 4, seed=0)
        loss = model.loss(with_twins(batch(model)))
        sum(value.sum() for key, value in loss.items() if key.startswith('loss')).backward()
        gradient = model.towers.vision_backbone.patch_embed.projection.weight.grad
        losses.append({key: value for key, value in loss.items() if key.startswith('loss')} | dict(gradient=gradient))
    torch.testing.assert_close(losses[0], losses[1])
    assert losses[0].keys() == {'loss_itc', 'loss_itm', 'loss_mlm', 'gradient'}


def build_retrieval():
    config = model_config(type='ImageTextRetrieval')
    del config['masked_language_head'], config['mask_token']
    return MODELS.build(config)


@pytest.mark.parametrize(
    ('build_task', 'data_of', 'read'),
    [
        (build_retrieval, batch, lambda model, data: model.loss(data)['loss_itm']),
        (build_vqa, questions, lambda model, data: model.fuse(data)),
        (build_pair, pairs, lambda model, data: model.logits(data)),
    ],
    ids=['retrieval', 'questions', 'image pairs'],
)
def test_tasks_do_not_notice(build_task, data_of, read):
    def build_one(backbone):
        model = build_task()
        model.towers.vision_backbone = MODELS.build(copy.deepcopy(backbone))
        return model

    merging, plain = merging_and_not(build_one)
    data = with_twins(data_of(merging))
    torch.testing.assert_close(read(merging, data), read(plain, data))


def test_re_ranking_does_not_notice():
    scores = []
    for model in merging_and_not(lambda backbone: build(towers=towers_of(backbone))):
        data = with_twins(batch(model))
        image = model.towers.encode_image(data['images'])
        texts = EncodedTexts(model, [ids[mask] for ids, mask in zip(data['token_ids'], data['text_mask'], strict=True)])
        text_R, image_index = torch.arange(8).repeat(3), torch.arange(24) % 3
        keys_values = model.multimodal_backbone.project(image.tokens, image.sizes)
        scores.append(texts.match(model, keys_values, text_R, image_index))
    torch.testing.assert_close(scores[0], scores[1])


def rows_on_rank(rank):
    losses = []
    for model in merging_and_not(lambda backbone: build(towers=towers_of(backbone))):
        data = with_twins(batch(model, count=4, start=4 * rank))
        model.set_progress(3, 4, seed=0)
        losses.append({key: value.item() for key, value in model.loss(data).items() if key.startswith('loss')})
    return losses


def test_negatives_of_other_processes_bring_their_sizes():
    for merging, plain in run_on_processes(2, rows_on_rank):
        assert merging == pytest.approx(plain, rel=1e-9)


def test_a_neck_that_changes_the_number_of_tokens_is_refused():
    towers = MODELS.build(towers_of(MERGING, neck=dict(type='TokenReductionNeck', in_channels=32)))
    with pytest.raises(ValueError, match='the backbone merges tokens, of which 13 are left, and the neck makes 8'):
        towers.encode_image(torch.randn(1, 3, 32, 32))


@pytest.mark.parametrize('guide', ['similarity', 'both'])
def test_merging_leaves_no_token_out(guide):
    with pytest.raises(ValueError, match=f"guide='{guide}' merges tokens.* fuse=False is for guide='text'"):
        MODELS.build(dict(MERGING, guide=guide, fuse=False))
