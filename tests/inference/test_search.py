"""The inferencer says what the model says of the same samples in its own data loader, whatever form they come in."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from inferencers import FILES, IMAGES, arrays, captions, encoded, load, plain_logits, write
from mmengine.dataset import pseudo_collate
from PIL import Image
from tiny import MERGING, PIPELINE, TOWERS

from sacl_mm.datasets import ImageTextPairs, LoadImage


@pytest.mark.parametrize('kind', ['DualEncoder', 'ImageTextRetrieval', 'SACLPretrain'])
def test_features_are_those_of_the_test_loop(tmp_path, kind):
    inferencer, model = load(tmp_path, kind)
    batch, _, _ = encoded(model)
    samples = model.predict(batch)
    features, texts = inferencer.embed_images(arrays()), inferencer.embed_texts(captions())
    torch.testing.assert_close(features, torch.stack([sample.pred_image_feature for sample in samples]).detach())
    torch.testing.assert_close(texts, torch.cat([sample.pred_text_features for sample in samples]).detach())
    (features.sum() * torch.nn.Parameter(torch.ones(1))).backward()  # no tensors of inference mode


def test_features_do_not_depend_on_batches_or_on_the_form_of_an_image(tmp_path):
    inferencer, _ = load(tmp_path, 'DualEncoder', batch_size=100)
    features, texts = inferencer.embed_images(arrays()), inferencer.embed_texts(captions())
    inferencer.batch_size = 1
    torch.testing.assert_close(inferencer.embed_images(arrays()), features)
    torch.testing.assert_close(inferencer.embed_texts(captions()), texts)
    inferencer.batch_size = 100
    paths = write(tmp_path, arrays())
    pil = [Image.fromarray(image[..., ::-1]) for image in arrays()]
    for images in (paths, [Path(path) for path in paths], pil, [Image.open(path).convert('RGBA') for path in paths]):
        assert torch.equal(inferencer.embed_images(images), features)
    assert torch.equal(inferencer.embed_images([pil[0], paths[1], arrays()[2]]), inferencer.embed_images(paths[:3]))


def test_a_photograph_taken_sideways_is_turned_in_every_form(tmp_path):
    image, exif = Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 12, 3), np.uint8)), Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / 'sideways.png', exif=exif)
    by_path = LoadImage()(dict(img_path=str(tmp_path / 'sideways.png')))['img']
    assert by_path.shape == (12, 8, 3)
    assert np.array_equal(LoadImage()(dict(img_path=Image.open(tmp_path / 'sideways.png')))['img'], by_path)


def test_files_go_through_the_configurations_own_pipeline(tmp_path):
    random = np.random.default_rng(0)
    paths = write(tmp_path, [random.integers(0, 255, (30 + 5 * i, 50, 3), np.uint8) for i in range(4)])
    texts = ['A red star!', 'two blue circles, and a red star', 'a star', 'One green star.']
    rows = ['image,caption', *(f'{Path(path).name},"{text}"' for path, text in zip(paths, texts, strict=True))]
    (tmp_path / 'pairs.csv').write_text('\n'.join(rows) + '\n')
    dataset = dict(
        type='ImageTextPairs', ann_file=str(tmp_path / 'pairs.csv'), data_prefix=dict(img_path=str(tmp_path)),
        pipeline=[*FILES, *PIPELINE], test_mode=True,
    )  # fmt: skip
    inferencer, model = load(tmp_path, 'DualEncoder', dataset=dataset)
    del dataset['type']
    samples = model.predict(model.data_preprocessor(pseudo_collate(list(ImageTextPairs(**dataset))), False))
    expected = torch.stack([sample.pred_image_feature for sample in samples]).detach()
    for images in (paths, [cv2.imread(path) for path in paths]):
        torch.testing.assert_close(inferencer.embed_images(images), expected)
    expected = torch.cat([sample.pred_text_features for sample in samples]).detach()
    torch.testing.assert_close(inferencer.embed_texts(texts), expected)
    assert torch.equal(inferencer.embed_images(paths[:1]), inferencer.embed_images([Image.open(paths[0])]))


# ------------------------------------------------------------------------------------------------ search
def plain_hits(cosine_QM, second_QM, k, candidates):
    hits = []
    for cosine, second in zip(cosine_QM.tolist(), second_QM.tolist(), strict=True):
        best = sorted(range(len(cosine)), key=lambda i: -cosine[i])[:candidates]
        hits.append([(i, second[i]) for i in sorted(best, key=lambda i: -second[i])[:k]])
    return hits


def assert_hits(got, expected):
    assert [[hit.index for hit in hits] for hits in got] == [[i for i, _ in hits] for hits in expected]
    for ours, theirs in zip(got, expected, strict=True):
        assert [hit.score for hit in ours] == pytest.approx([score for _, score in theirs], abs=1e-4)


@pytest.mark.parametrize('backbone', [TOWERS['vision_backbone'], MERGING], ids=['all tokens', 'merged'])
@pytest.mark.parametrize('score', ['itm', 'itm+itc', 'itm+itc/temperature'])
def test_search_reranks_each_querys_candidates(tmp_path, score, backbone):
    loop = dict(type='RerankingTestLoop', k=3, score=score)
    inferencer, model = load(tmp_path, 'ImageTextRetrieval', test_cfg=loop, vision_backbone=backbone)
    _, image, text = encoded(model)
    cosine, matches = image.feature @ text.feature.t(), plain_logits(model)[..., 1]
    second = matches + {'itm': 0, 'itm+itc': 1, 'itm+itc/temperature': 1 / 0.07}[score] * cosine
    images, texts = arrays(), captions()
    assert_hits(inferencer.search(texts, images, k=2), plain_hits(cosine.t(), second.t(), 2, 3))
    assert_hits(inferencer.search_texts(images, texts, k=2), plain_hits(cosine, second, 2, 3))
    assert_hits(inferencer.search(texts, images, 2, candidates=5), plain_hits(cosine.t(), second.t(), 2, 5))
    assert_hits(inferencer.search_texts(images, texts, k=5), plain_hits(cosine, second, 5, 5))
    assert_hits(inferencer.search(texts, images, 2, rerank=False), plain_hits(cosine.t(), cosine.t(), 2, 99))
    assert_hits(inferencer.search_texts(images, texts, 99, rerank=False), plain_hits(cosine, cosine, 99, 99))


def test_of_a_gallery_with_features_only_candidates_are_opened(tmp_path):
    inferencer, _ = load(tmp_path, 'ImageTextRetrieval')
    paths, texts = write(tmp_path, arrays()), captions()
    features, text_features = inferencer.embed_images(paths), inferencer.embed_texts(texts)
    expected = inferencer.search(texts[:1], paths, k=1, candidates=2)
    by_cosine = inferencer.search(texts[:1], paths, k=2, rerank=False)
    for number in set(range(IMAGES)) - {hit.index for hit in by_cosine[0]}:
        Path(paths[number]).write_text('no image')
    assert inferencer.search(texts[:1], paths, k=1, candidates=2, features=features) == expected
    assert inferencer.search(texts[:1], paths, k=2, rerank=False, features=features) == by_cosine
    with pytest.raises(ValueError, match='png: no image of a format'):
        inferencer.search(texts[:1], paths)
    found = inferencer.search_texts(arrays(), texts, features=text_features)
    assert found == inferencer.search_texts(arrays(), texts)
    with pytest.raises(ValueError, match=r'must be of shape \(6, 16\), got \(5, 16\)'):
        inferencer.search(texts, paths, features=features[:5])


# ------------------------------------------------------------------------------------------------ tasks
@pytest.mark.parametrize('backbone', [TOWERS['vision_backbone'], MERGING], ids=['all tokens', 'merged'])
def test_match_is_the_matching_heads_probability(tmp_path, backbone):
    inferencer, model = load(tmp_path, 'SACLPretrain', vision_backbone=backbone)
    probabilities = plain_logits(model).softmax(dim=-1)[..., 1]
    images, texts = arrays(), captions()
    pairs = [(n, (5 * n + 1) % len(texts)) for n in range(IMAGES)]
    got = inferencer.match([images[n] for n, _ in pairs], [texts[t] for _, t in pairs])
    torch.testing.assert_close(got, torch.stack([probabilities[n, t] for n, t in pairs]))
    assert got.std() > 0.01
