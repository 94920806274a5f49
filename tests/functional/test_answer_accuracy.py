import random
from itertools import combinations

import pytest

from sacl_mm.functional.answer_accuracy import exact_accuracy, vqa_accuracy
from sacl_mm.functional.answer_normalisation import normalise_answer


def humans(**counts):
    return [answer for answer, count in counts.items() for _ in range(count)]


# With m of 10 matching, m subsets of 9 hold m - 1 matches, the other 10 - m hold m.
@pytest.mark.parametrize(
    ('answer', 'human_answers', 'expected'),
    [
        ('red', humans(blue=10), 0.0),
        ('red', humans(red=1, blue=9), (1 * 0 + 9 * (1 / 3)) / 10),  # 0.3
        ('red', humans(red=2, blue=8), (2 * (1 / 3) + 8 * (2 / 3)) / 10),  # 0.6
        ('red', humans(red=3, blue=7), (3 * (2 / 3) + 7 * 1) / 10),  # 0.9
        ('red', humans(red=4, blue=6), 1.0),
        ('red', humans(red=5, blue=5), 1.0),
        ('blue', humans(red=5, blue=5), 1.0),  # a tie: both are right
        ('red', humans(red=10), 1.0),
        # the annotators differ: normalised, and what they wrote differently counts together
        ('Two', [*humans(two=1), '2', '2.', *humans(three=7)], 0.9),
        ('a red', ['the red', 'Red!', 'red', 'red', *humans(blue=6)], 1.0),
        ('dont', ["don't", 'dont', *humans(no=8)], 0.6),
        ('a', ['the', *humans(no=9)], 0.3),  # both are empty after normalisation
        # the annotators agree to the letter: compared as written
        ('Red', humans(red=10), 0.0),
        ('two', ['2'] * 10, 0.0),
        (' red\n', humans(red=10), 1.0),
        ('red', [' red', 'red\n'] * 5, 1.0),  # white space is no difference ...
        ('Red', [' red', 'red\n'] * 5, 0.0),
        ('Red', [*humans(red=9), 'Red'], 1.0),  # ... case is
        # other numbers of annotators
        ('red', humans(red=1, blue=4), (1 * 0 + 4 * (1 / 3)) / 5),
        ('red', humans(red=2, blue=1), (2 * (1 / 2) + 1 * 1) / 3),
        ('red', humans(red=3), 1.0),
        ('red', humans(red=1, blue=1), (0 + 1) / 2),
        ('red', humans(red=2), 1.0),
        ('The two', ['2'], 1.0),
        ('red', ['blue'], 0.0),
    ],
)
def test_table(answer, human_answers, expected):
    assert vqa_accuracy(answer, human_answers) == pytest.approx(expected)
    random.Random(0).shuffle(human_answers)
    assert vqa_accuracy(answer, human_answers) == pytest.approx(expected)


def test_equals_plain_loop_over_the_ten_subsets_of_nine():
    rng = random.Random(0)
    vocabulary = ['red', 'Red.', 'the red', 'two', '2', 'yes, sir', 'dont', "don't"]
    for _ in range(300):
        answer, given = rng.choice(vocabulary), [rng.choice(vocabulary[: rng.randint(2, 8)]) for _ in range(10)]
        if len(set(given)) == 1:
            continue
        matches = [normalise_answer(human) == normalise_answer(answer) for human in given]
        subsets = [min(sum(subset) / 3, 1) for subset in combinations(matches, 9)]
        assert vqa_accuracy(answer, given) == pytest.approx(sum(subsets) / 10)


@pytest.mark.parametrize(
    ('answer', 'human_answers', 'expected'),
    [
        ('lamp', ['lamp'], 1),
        (' Lamp ', ['lamp'], 1),
        ('bed, lamp', ['lamp, bed'], 1),
        ('bed,lamp', ['lamp', 'bed'], 1),
        ('lamp, lamp', ['lamp'], 1),
        ('lamp', ['lamp, bed'], 0),
        ('lamp, bed', ['lamp'], 0),
        ('the lamp', ['lamp'], 0),
        ('two', ['2'], 0),
        ('', ['lamp'], 0),
    ],
)
def test_exact_compares_sets(answer, human_answers, expected):
    assert exact_accuracy(answer, human_answers) == expected


@pytest.mark.parametrize('measure', [vqa_accuracy, exact_accuracy])
def test_needs_an_annotator(measure):
    with pytest.raises(ValueError, match='one annotator at least'):
        measure('red', [])
