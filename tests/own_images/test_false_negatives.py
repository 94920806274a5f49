"""The estimate is the expectation over batches, by plain loops; suspects come in the order that is told."""

import numpy as np
import pytest

from sacl_mm.functional.lexical_coverage import LexicalCoverage
from sacl_mm.own_images.false_negatives import likely_false_negatives

CAPTIONS = [
    ['a red dog runs on grass', 'a dog in the sun'],
    ['the dog runs'],
    ['a cat sleeps', 'a grey cat', 'cat on a sofa'],
    ['a red dog runs', 'dog on grass'],
    ['a plane'],
]


@pytest.mark.parametrize('threshold', [0.3, 0.6, 1.0])
@pytest.mark.parametrize('most_images', [2, 3, 5000])
def test_the_share_is_the_chance_of_a_random_negative(threshold, most_images):
    captions = [CAPTIONS[place] for place in {2: [0, 2], 3: [0, 1, 3], 5000: range(5)}[most_images]]
    coverage = LexicalCoverage(captions)
    coverage_NT = coverage()
    chances = [
        np.mean(coverage_NT[i, coverage.owner_T == j] >= threshold)
        for i in range(len(captions))
        for j in range(len(captions))
        if i != j
    ]
    found = likely_false_negatives(CAPTIONS, threshold, most_images)
    assert found.images == len(captions)
    assert found.share == pytest.approx(np.mean(chances))
    assert found.per_image(65) == pytest.approx(64 * np.mean(chances))


def test_suspects_are_the_longest_of_the_best_and_differ():
    captions = [['a b c d', 'e f'], ['b c d'], ['d a'], ['e'], ['f a b d'], ['e']]
    found = likely_false_negatives(captions, threshold=1)
    assert [(one.image, one.owner, one.caption, one.coverage) for one in found.suspects] == [
        (0, 4, 'f a b d', 1.0),  # image 0 covers 'b c d' and others as well; they are shorter
        (4, 2, 'd a', 1.0),
        (3, 5, 'e', 1.0),  # image 5 has it, too, but a caption comes once
    ]


def test_a_sample_keeps_the_places_of_the_images():
    captions = [['a b'], ['x'], ['y'], ['a b c'], ['z']]
    (suspect,) = likely_false_negatives(captions, threshold=1, most_images=3).suspects
    assert (suspect.image, suspect.owner, suspect.caption) == (3, 0, 'a b')


def test_one_image_has_no_negative():
    assert likely_false_negatives([['a']]).share == 0
    assert likely_false_negatives([['a']]).suspects == []
