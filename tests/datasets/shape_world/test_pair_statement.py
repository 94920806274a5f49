import re
from collections import Counter, defaultdict

import numpy as np
import pytest
from blind_judge import BlindJudge

from sacl_mm.datasets import WordPieceTokenizer
from sacl_mm.datasets.shape_world import (
    Description,
    PairStatement,
    Scene,
    WorldObject,
    count,
    is_true,
    pair_group_of,
    sample_group,
    shape_world_vocabulary,
    word_statement,
)

FORMS = ('left', 'right', 'both', 'neither', 'some', 'one', 'more_left', 'more_right', 'same', 'total')
STAR = Description('star')


@pytest.fixture(scope='module')
def groups():
    return [pair_group_of(3, index) for index in range(300)]


def scene_with_stars(number):
    shapes = ['star'] * number + ['heart']
    return Scene(tuple(WorldObject(shape, 'red', 'small', 'plain', 200 * i, 200 * i) for i, shape in enumerate(shapes)))


# Which pairs of numbers, 0 to 2 left (rows) and 0 to 2 right (columns), make it true.
@pytest.mark.parametrize(
    ('form', 'rows'),
    [
        ('left', ['000', '111', '111']),
        ('right', ['011', '011', '011']),
        ('both', ['000', '011', '011']),
        ('neither', ['100', '000', '000']),
        ('some', ['011', '111', '111']),
        ('one', ['011', '100', '100']),
        ('more_left', ['000', '100', '110']),
        ('more_right', ['011', '001', '000']),
        ('same', ['100', '010', '001']),
        ('total', ['000', '001', '010']),
    ],
)
def test_truth(form, rows):
    statement = PairStatement(form, STAR, 3 if form == 'total' else None)
    for left in range(3):
        for right in range(3):
            expected = rows[left][right] == '1'
            assert is_true(statement, scene_with_stars(left), scene_with_stars(right)) is expected


def test_a_group_is_one_statement_true_of_half_of_its_pairs(groups):
    for group in groups:
        assert len(group.pairs) == len(group.labels) == 4
        assert sum(group.labels) == 2
        for pair, label in zip(group.pairs, group.labels, strict=True):
            assert is_true(group.statement, *pair) is label
    assert {group.statement.form for group in groups} == set(FORMS)
    assert len({group.labels for group in groups}) == 6


def test_both_images_count(groups):
    """For 'both', 'one', 'more', 'same' and 'total' one image alone does not tell the label."""
    seen = defaultdict(Counter)
    for group in groups:
        for (left, _), label in zip(group.pairs, group.labels, strict=True):
            seen[group.statement.form, count(group.statement.description, left)][label] += 1
    for form in ('same', 'total', 'one'):
        assert all(min(seen[form, number].values()) >= 3 for number in (1, 2))
        assert all(len(seen[form, number]) == 2 for number in (1, 2))


def test_the_words_do_not_tell_the_label(groups):
    texts = [group.text for group in groups for _ in group.labels]
    labels = [str(label) for group in groups for label in group.labels]
    half = len(texts) // 2
    accuracy = BlindJudge().fit(texts[:half], labels[:half]).accuracy(texts[half:], labels[half:])
    assert accuracy == 0.5  # whatever it says about a statement, it is right for two of the four pairs


def test_the_judge_finds_what_random_pairs_give_away(groups):
    rng = np.random.default_rng(0)
    scenes = [scene for group in groups for pair in group.pairs for scene in pair]
    texts, labels = [], []
    for group in groups:
        for _ in range(4):
            left, right = (scenes[i] for i in rng.integers(len(scenes), size=2))
            texts.append(group.text)
            labels.append(str(is_true(group.statement, left, right)))
    half = len(texts) // 2
    assert BlindJudge().fit(texts[:half], labels[:half]).accuracy(texts[half:], labels[half:]) > 0.56


def test_words_are_known(groups):
    tokenizer = WordPieceTokenizer(vocab=dict(type='shape_world_vocabulary', questions=True))
    unknown = shape_world_vocabulary(questions=True).index('[UNK]')
    for group in groups:
        ids = tokenizer.encode(group.text)
        assert unknown not in ids
        assert len(ids) == len(group.text.split()) + 2 <= 22


def test_grammar(groups):
    for group in groups:
        text = group.text
        assert text == text.lower() == ' '.join(text.split())
        assert not re.search(r'\ba [aeiou]|\ban [^aeiou]', text), text
        assert '{' not in text


@pytest.mark.parametrize(
    ('statement', 'possible'),
    [
        (PairStatement('left', Description('star', 'red')), {'the left picture shows a red star'}),
        (PairStatement('both', STAR), {'both pictures show a star', 'there is a star in both pictures'}),
        (PairStatement('neither', Description(colour='red')), {'neither picture shows something red'}),
        (PairStatement('one', STAR), {'exactly one of the two pictures has a star'}),
        (
            PairStatement('more_left', Description(colour='red')),
            {
                'the left picture shows more red objects than the right picture',
                'the right picture has fewer red things than the left one',
            },
        ),
        (PairStatement('total', STAR, 3), {'there are exactly three stars in the two pictures'}),
    ],
)
def test_wording(statement, possible):
    rng = np.random.default_rng(0)
    assert possible <= {word_statement(statement, rng) for _ in range(500)}


def test_sampling_depends_on_the_generator_only():
    assert sample_group(np.random.default_rng(7)) == sample_group(np.random.default_rng(7))
    assert sample_group(np.random.default_rng(7)) != sample_group(np.random.default_rng(8))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('most', STAR), 'form is one of'),
        (('total', STAR), "the form 'total' and no other has a number"),
        (('both', STAR, 2), "the form 'total' and no other has a number"),
        (('total', STAR, 9), 'number is one of'),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        PairStatement(*arguments)
