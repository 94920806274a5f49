"""Sources of evidence equal plain loops, and reach the policy over batches, data sets and the queue."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from gloo import run_on_processes
from mmengine.dataset import ConcatDataset, RepeatDataset
from tiny import TOWERS, VOCAB, batch, build, model_config, world
from torch.utils.data import Subset
from transformers import BertConfig, BertModel

from sacl_mm.engine.hooks.evidence_hook import captions_of
from sacl_mm.functional.image_captions import ImageCaptions, of_each_image
from sacl_mm.functional.lexical_coverage import LexicalCoverage, words_of
from sacl_mm.models import CaptionCoverage, ImageSimilarity, SentenceSimilarity
from sacl_mm.models.evidence import sentence_similarity
from sacl_mm.registry import MODELS, TASK_UTILS
from sacl_mm.user_error import UserError

READS_CAPTIONS = dict(
    type='SACLContrastiveLoss', policy=dict(type='SimilarityRegulation', alpha=1.0, evidence='captions')
)
TOKENIZER = dict(type='WordPieceTokenizer', vocab=dict(type='shape_world_vocabulary'))


def captions(count=8, number=3):
    return of_each_image(captions_of(world(count, captions=number)))


def coverage_by_columns(known, width):
    """By loops: words beyond the first `width`, by frequency, share the last half of the columns."""
    texts = [[list(dict.fromkeys(words_of(text))) for text in image.texts] for image in known]
    said = [{word for text in own for word in text} for own in texts]
    frequency = {word: sum(word in one for one in said) for own in texts for text in own for word in text}
    ranked = sorted(frequency, key=lambda word: -frequency[word])  # ties in the order of appearance
    column = {
        word: rank if rank < width else width - 1 - (rank - width) % (width // 2) for rank, word in enumerate(ranked)
    }
    idf = {word: math.log(len(known) / count) for word, count in frequency.items()}
    rows = []
    for own in said:
        columns = {column[word] for word in own}
        rows.append(
            [
                sum(idf[word] for word in text if column[word] in columns) / sum(idf[word] for word in text)
                for other in texts
                for text in other
            ]
        )
    return torch.tensor(rows)


@pytest.mark.parametrize('columns', [512, 20])
def test_coverage_of_a_batch(columns):
    source, known = CaptionCoverage(columns), captions(20)
    source.prepare(known)
    images, texts = source(batch(build(), 6, start=4, captions=3))
    assert images.shape == (6, columns)
    assert texts.shape == (18, columns)
    found = images @ texts.t()
    torch.testing.assert_close(found, coverage_by_columns(known, columns)[4:10, 12:30], atol=1e-4, rtol=0)
    exact = torch.from_numpy(LexicalCoverage([image.texts for image in known])()[4:10, 12:30])
    assert (found[exact == 1] >= 1).all()


def test_images_that_come_twice_have_all_their_captions():
    joined = ConcatDataset([world(4, captions=3), world(6, captions=3)], ignore_keys=['num_images'])
    merged = of_each_image(captions_of(joined))
    assert merged == of_each_image(captions_of(Subset(RepeatDataset(world(6, captions=3), 2), range(6))))
    assert [image.image_id for image in merged] == [0, 1, 2, 3, 4, 5]
    each = of_each_image(ImageCaptions(0, [number], [f'caption {number}']) for number in range(3))
    assert each == [ImageCaptions(0, [0, 1, 2], ['caption 0', 'caption 1', 'caption 2'])]
    with pytest.raises(UserError, match='a list does not tell'):
        list(captions_of([1, 2]))


@pytest.mark.parametrize('other', [ImageCaptions(0, [7], ['a cat']), ImageCaptions(1, [7], ['a dog'])])
def test_an_id_of_two_captions_is_refused(other):
    with pytest.raises(UserError, match='text_id 7 stands for two captions'):
        of_each_image([ImageCaptions(0, [7], ['a dog']), other])


def test_an_unknown_caption_is_named():
    source = CaptionCoverage()
    with pytest.raises(UserError, match=r'image_id 0 has no evidence.*EvidenceHook'):
        source(batch(build(), 4))
    source.prepare(captions(3, 1))
    with pytest.raises(UserError, match='image_id 3 has no evidence.*training data set, where it is not'):
        source(batch(build(), 4))


@pytest.fixture
def encoder(tmp_path):
    """A text encoder with weights in a file."""
    torch.manual_seed(0)
    settings = BertConfig(
        vocab_size=VOCAB,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=128,
        max_position_embeddings=40,
    )
    BertModel(settings).save_pretrained(tmp_path / 'encoder')
    return dict(TOWERS['text_backbone'], checkpoint=str(tmp_path / 'encoder'))


def test_sentences_are_encoded_once(tmp_path, encoder, monkeypatch):
    known = captions(6, 3)
    options = dict(width=32, text_encoder=encoder, tokenizer=TOKENIZER, cache=str(tmp_path / 'cache'))
    source = SentenceSimilarity(**options)
    source.prepare(known)
    model, tokenizer = MODELS.build(encoder), TASK_UTILS.build(TOKENIZER)
    model.init_weights()
    rows = []
    for text in (text for image in known for text in image.texts):
        tokens = torch.as_tensor(tokenizer.encode(text))[None]
        mean = model.eval()(tokens, torch.ones_like(tokens, dtype=torch.bool))[0].mean(0).detach()
        rows.append(F.normalize(F.layer_norm(mean, mean.shape), dim=0))
    cosine = torch.stack(rows) @ torch.stack(rows).t()
    expected = torch.stack([own.mean(0) for own in cosine.split(3)])
    images, texts = source(batch(build(), 6, captions=3))
    torch.testing.assert_close(images @ texts.t(), expected, atol=2e-3, rtol=0)  # kept in float16

    again = SentenceSimilarity(**options)
    monkeypatch.setattr(sentence_similarity, 'pool_tokens', lambda *_: pytest.fail('encoded again'))
    again.prepare(known)
    embedded = again.embed([text for image in known[:6] for text in image.texts])
    assert torch.equal(embedded.norm(dim=1).sub(1).abs() < 1e-5, torch.ones(len(embedded), dtype=torch.bool))
    torch.testing.assert_close(torch.stack([own.mean(0) for own in embedded.split(3)]), images, atol=2e-3, rtol=0)
    assert torch.equal(again(batch(build(), 6, captions=3)).image, images)


def rows_and_pieces(rank, options, known):
    source = SentenceSimilarity(**options)
    source.prepare(known)
    rows = source(batch(build(), 6, captions=3)).image
    return rows, len(list(Path(options['cache']).rglob('*.safetensors')))


def test_processes_share_the_encoding(tmp_path, encoder):
    known = captions(6, 3)
    options = dict(width=32, text_encoder=encoder, tokenizer=TOKENIZER)
    alone, _ = rows_and_pieces(0, dict(options, cache=str(tmp_path / 'one')), known)
    found = run_on_processes(2, rows_and_pieces, dict(options, cache=str(tmp_path / 'two')), known)
    for rows, pieces in found:
        torch.testing.assert_close(rows, alone, atol=1e-3, rtol=0)
        assert pieces == 2


def test_an_encoder_without_weights_is_refused(tmp_path):
    source = SentenceSimilarity(32, dict(TOWERS['text_backbone']), TOKENIZER, cache=str(tmp_path))
    with pytest.raises(UserError, match='text_encoder starts from random weights'):
        source.prepare(captions())
    with pytest.raises(ValueError, match='text_encoder and tokenizer, or neither'):
        SentenceSimilarity(32, dict(TOWERS['text_backbone']))


def cached(images=4, texts=3):
    torch.manual_seed(0)
    return dict(
        images=torch.randn(images, 5),
        token_ids=torch.randn(images * texts, 6),
        text_mask=None,
        image_ids=torch.arange(images),
        text_ids=torch.arange(images * texts),
        texts_per_image=[texts] * images,
    )


def test_cached_features_are_evidence_as_they_are():
    data = cached()
    unit = F.normalize(data['token_ids'], dim=1)
    images, texts = SentenceSimilarity(6)(data)
    torch.testing.assert_close(
        images @ texts.t(), torch.stack([own.mean(0) for own in (unit @ unit.t()).split(3)]), atol=1e-6, rtol=0
    )
    images, texts = ImageSimilarity(5)(data)
    cosine = F.cosine_similarity(data['images'][:, None], data['images'][None], dim=2)
    torch.testing.assert_close(images @ texts.t(), cosine.repeat_interleave(3, dim=1))
    tokens = batch(build(), 4)
    for source in (SentenceSimilarity(6), ImageSimilarity(5)):
        with pytest.raises(ValueError, match='reads cached features, and the batch has'):
            source(tokens)


def test_a_backbone_compares_images(tmp_path):
    backbone = dict(type='mmpretrain.ResNet', depth=18, stem_channels=8, base_channels=8, out_indices=(2, 3))
    with pytest.raises(UserError, match='backbone starts from random weights'):
        ImageSimilarity(160, backbone).prepare([])
    build()
    state = MODELS.build(backbone).state_dict()
    torch.save(state, tmp_path / 'backbone.pth')
    init = dict(type='Pretrained', checkpoint=str(tmp_path / 'backbone.pth'))
    source = ImageSimilarity(160, dict(backbone, init_cfg=init))
    with pytest.raises(UserError, match='has not read its backbone: the training needs .*EvidenceHook'):
        source(batch(build(), 4))
    source.prepare([])
    assert not list(source.state_dict())
    images, texts = source(batch(build(), 4, captions=2))
    assert images.shape == (4, 32 + 64 + 64)
    cosine = images @ texts.t()
    torch.testing.assert_close(cosine[range(4), range(0, 8, 2)], torch.ones(4))
    assert torch.equal(texts[0], texts[1])


def test_a_policy_asks_for_evidence_that_nobody_gives():
    with pytest.raises(
        ValueError, match=r"\['captions'\]; SACLPretrain gives.*captions=dict\(type='CaptionCoverage'\)"
    ):
        build(contrastive_loss=READS_CAPTIONS)
    with pytest.raises(ValueError, match=r"\['reference'\] is what SACLPretrain gives itself"):
        build(evidence=dict(reference=dict(type='CaptionCoverage')))
    assert not build(evidence=dict(captions=dict(type='CaptionCoverage'))).evidence  # nobody reads it


def watched(model, monkeypatch):
    """The evidence that the policy reads, block by block."""
    seen = []
    policy = model.contrastive_loss.policy
    monkeypatch.setattr(
        policy, 'forward', lambda pairs, act=policy.forward: (seen.append(pairs.evidence_AM['captions']), act(pairs))[1]
    )
    return seen


@pytest.mark.parametrize('queue_size', [0, 16])
def test_evidence_reaches_the_policy(queue_size, monkeypatch):
    """And enters the queue."""
    momentum = dict(decay=0.5) if queue_size else None
    evidence = dict(captions=dict(type='CaptionCoverage', columns=64))
    model = build(contrastive_loss=READS_CAPTIONS, evidence=evidence, queue_size=queue_size, momentum=momentum)
    model.evidence['captions'].prepare(captions(8, 1))
    seen = watched(model, monkeypatch)
    data = batch(model, 8)
    model.set_progress(0, 10, 0)
    losses = model.loss(data)
    assert torch.isfinite(losses['loss_itc'])
    expected = LexicalCoverage([image.texts for image in captions(8, 1)])()
    np.testing.assert_allclose(seen[0].numpy(), expected, atol=1e-4)
    if queue_size:
        model.after_step()
        stored = model.queue.bank().evidence['captions']
        np.testing.assert_allclose((stored.image[:8] @ stored.text[:8].t()).numpy(), expected, atol=1e-4)
    assert not any(key.startswith('evidence') for key in model.state_dict())


def test_the_dual_encoder_gives_an_image_s_row_to_each_of_its_captions(monkeypatch):
    config = {
        name: value
        for name, value in model_config(contrastive_loss=READS_CAPTIONS).items()
        if name in ('data_preprocessor', 'towers', 'contrastive_loss')
    }
    torch.manual_seed(0)
    model = MODELS.build(
        dict(config, type='DualEncoder', evidence=dict(captions=dict(type='CaptionCoverage', columns=VOCAB + 1)))
    )
    model.evidence['captions'].prepare(captions(4, 3))
    seen = watched(model, monkeypatch)
    model.set_progress(0, 10, 0)
    assert torch.isfinite(model.loss(batch(model, 4, captions=3))['loss_itc'])
    expected = LexicalCoverage([image.texts for image in captions(4, 3)])()
    np.testing.assert_allclose(seen[0].numpy(), expected.repeat(3, axis=0), atol=1e-4)
