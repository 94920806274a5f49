"""Lexical coverage equals plain loops."""

import math
import time

import numpy as np
import pytest

from sacl_mm.functional.lexical_coverage import LexicalCoverage, words_of

CAPTIONS = [
    ['A red dog runs.', 'the dog, in grass'],
    ['a dog runs, runs'],
    [],
    ['A blue car', "a car's wheel"],
    ['...'],
]


def plain(captions):
    """By loops, in float64."""
    words = [[set(words_of(text)) for text in texts] for texts in captions]
    said = [set().union(*texts) for texts in words]
    idf = {word: math.log(len(captions) / sum(word in one for one in said)) for word in set().union(*said)}
    coverage = []
    for own in said:
        row = []
        for text in (text for texts in words for text in texts):
            total = sum(idf[word] for word in text)
            row.append(sum(idf[word] for word in text & own) / total if total else float(bool(text)))
        coverage.append(row)
    return np.array(coverage)


def random_captions(images, words=40):
    draw = np.random.default_rng(0)
    chance = 1 / np.arange(1, words + 1)
    return [
        [' '.join(f'w{word}' for word in draw.choice(words, 9, p=chance / chance.sum())) for _ in range(1 + image % 3)]
        for image in range(images)
    ]


@pytest.mark.parametrize('common', [0, 0.05, 1])
@pytest.mark.parametrize('captions', [CAPTIONS, random_captions(300), [['a', 'a b'], ['a c']]])
def test_equals_plain_loops(captions, common, monkeypatch):
    monkeypatch.setattr('sacl_mm.functional.lexical_coverage._COMMON', common)
    coverage = LexicalCoverage(captions)
    expected = plain(captions)
    np.testing.assert_allclose(coverage(), expected, atol=1e-5)
    np.testing.assert_array_equal(coverage() == 1, expected > 1 - 1e-9)
    np.testing.assert_array_equal(coverage([1, 0], [2, 1]), coverage()[[1, 0]][:, [2, 1]])
    images, blocks = zip(*coverage.blocks(), strict=True)
    np.testing.assert_array_equal(np.concatenate(images), np.arange(len(captions)))
    np.testing.assert_array_equal(np.concatenate(blocks), coverage())


def test_what_it_says():
    coverage_NT = LexicalCoverage(CAPTIONS)()
    assert coverage_NT[0, 2] == 1  # "a dog runs" says nothing that the captions of image 0 do not say
    assert 0 < coverage_NT[1, 0] < 1
    assert 0 < coverage_NT[3, 2] < 0.25  # they share "a"
    assert (coverage_NT[:, 5] == 0).all()  # a caption without a word
    assert (LexicalCoverage([['a'], ['b a', 'a']])()[:, [0, 2]] == 1).all()  # "a" is in a caption of each image


def test_words():
    assert words_of("A man's hat, é, 2 dogs!") == ['a', "man's", 'hat', 'é', '2', 'dogs']
    assert words_of('一只狗 runs') == ['一', '只', '狗', 'runs']


def test_no_images():
    assert LexicalCoverage([])().shape == (0, 0)
    assert not list(LexicalCoverage([]).blocks())


def test_thousands_of_images_take_seconds():
    captions = random_captions(2000, words=2000)
    start = time.perf_counter()
    covered = sum(int((coverage_BT >= 0.9).sum()) for _, coverage_BT in LexicalCoverage(captions).blocks())
    assert covered >= 4000
    assert time.perf_counter() - start < 20
