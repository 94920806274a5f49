import math
import time

import numpy as np
import pytest

from sacl_mm.functional.lexical_coverage import LexicalCoverage, estimate_false_negatives

CAPTIONS = [['A red dog runs.', 'the dog, in grass'], ['a dog runs'], [], ['A blue car', "a car's wheel"], ['...']]


def plain(captions):
    """By loops, in float64."""
    words_of = [[set(text.lower().replace('.', ' ').replace(',', ' ').split()) for text in own] for own in captions]
    images = [set().union(*own) for own in words_of]
    idf = {word: math.log(len(captions) / sum(word in one for one in images)) for word in set().union(*images)}
    rows = []
    for image in images:
        texts = [text for own in words_of for text in own]
        totals = [sum(idf[word] for word in text) for text in texts]
        shared = [sum(idf[word] for word in text & image) for text in texts]
        rows.append([part / total if total else 0.0 for part, total in zip(shared, totals, strict=True)])
    return np.array(rows)


def test_equals_plain_loops():
    coverage = LexicalCoverage(CAPTIONS)
    np.testing.assert_allclose(coverage(), plain(CAPTIONS), atol=1e-6)
    assert coverage()[0, 2] == 1  # "a dog runs" says nothing that the first image's captions do not say
    assert coverage()[1, 0] < 1
    np.testing.assert_array_equal(coverage([3, 0], [1, 4]), coverage()[[3, 0]][:, [1, 4]])


@pytest.mark.parametrize('common', [0, 0.3, 1])
def test_common_words_are_multiplied_in_another_way_to_the_same_effect(common, monkeypatch):
    monkeypatch.setattr('sacl_mm.functional.lexical_coverage._COMMON', common)
    monkeypatch.setattr('sacl_mm.functional.lexical_coverage._CHUNK', 2)
    np.testing.assert_allclose(LexicalCoverage(CAPTIONS)(), plain(CAPTIONS), atol=1e-6)


def test_words_of_all_images_do_not_count():
    coverage = LexicalCoverage([['a dog'], ['a cat'], ['a']])
    np.testing.assert_allclose(coverage(), np.eye(3)[:, :3] * [1, 1, 0])


@pytest.mark.parametrize('sampled', [1, 2, 1000])
def test_the_estimate_is_the_expectation_over_batches(sampled):
    """Over all ordered pairs of images, and a caption of the second by chance."""
    captions = [own for own in CAPTIONS if own]
    images = range(0, len(captions), -(-len(captions) // sampled))
    full, first, pairs = plain(captions), np.cumsum([0, *map(len, captions)]), []
    for i in images:
        for j in range(len(captions)):
            if i != j:
                pairs.append(np.mean(full[i, first[j] : first[j + 1]] >= 0.5))
    estimate = estimate_false_negatives(LexicalCoverage(captions), 0.5, sampled)
    assert estimate.share == pytest.approx(np.mean(pairs))
    assert estimate.sampled == len(images)
    assert estimate.per_image(65) == pytest.approx(64 * estimate.share)


def test_no_captions():
    assert LexicalCoverage([])().shape == (0, 0)
    assert estimate_false_negatives(LexicalCoverage([['a']])).share == 0


def test_a_large_split_takes_seconds():
    draw = np.random.default_rng(0)
    words = np.array([f'word{number}' for number in range(3000)])
    frequent = 1 / np.arange(1, 3001)
    drawn = draw.choice(words, (1000, 5, 11), p=frequent / frequent.sum())
    start = time.perf_counter()
    coverage = LexicalCoverage([[' '.join(text) for text in own] for own in drawn])
    assert coverage().shape == (1000, 5000)
    assert time.perf_counter() - start < 20
