from collections import Counter, defaultdict

import numpy as np
import pytest
from blind_judge import BlindJudge

from sacl_mm.datasets import WordPieceTokenizer
from sacl_mm.datasets.shape_world import (
    ATTRIBUTES,
    AreMore,
    Count,
    Description,
    Exists,
    HowMany,
    IsTrue,
    Pair,
    Scene,
    WhatIs,
    WorldObject,
    answer,
    counted_scene_of,
    holds,
    questions_of,
    sample_claim,
    sample_question,
    scene_of,
    shape_world_answers,
    shape_world_vocabulary,
    word_question,
)

NUMBERS = ('zero', 'one', 'two', 'three', 'four', 'five')
KINDS = ('exists', 'count', 'attribute', 'compare', 'relation')
RED_STAR = WorldObject('star', 'red', 'small', 'plain', 300, 300)
SECOND_RED_STAR = WorldObject('star', 'red', 'large', 'dotted', 700, 200)
BLUE_HEART = WorldObject('heart', 'blue', 'large', 'striped', 500, 800)
SCENE = Scene((RED_STAR, SECOND_RED_STAR, BLUE_HEART))
RED, BLUE = Description(colour='red'), Description(colour='blue')
STAR, HEART = Description('star'), Description('heart')


@pytest.fixture(scope='module')
def asked():
    """(question, kind, text, answer) of 1,500 scenes."""
    rows = []
    for index in range(1500):
        scene, _ = counted_scene_of(5, index)
        rows += [(question, kind, text, answer(question, scene)) for question, kind, text in questions_of(5, index, 5)]
    return rows


@pytest.mark.parametrize(
    ('question', 'expected'),
    [
        (IsTrue(Exists(Description('star', 'red'))), 'yes'),
        (IsTrue(Exists(Description('heart', 'red'))), 'no'),
        (IsTrue(Pair(STAR, HEART, 'above')), 'yes'),
        (IsTrue(Pair(STAR, HEART, 'below')), 'no'),
        (AreMore(RED, BLUE), 'yes'),
        (AreMore(BLUE, RED), 'no'),
        (AreMore(Description(texture='plain'), Description(texture='dotted')), 'no'),  # as many
        (HowMany(RED), 'two'),
        (HowMany(Description(colour='green')), 'zero'),
        (WhatIs(HEART, 'colour'), 'blue'),
        (WhatIs(Description('star', size='small'), 'texture'), 'plain'),
        (WhatIs(Description(texture='striped'), 'shape'), 'heart'),
    ],
)
def test_answer(question, expected):
    assert answer(question, SCENE) == expected


def agree(description, item):
    return all(getattr(description, name) in (None, getattr(item, name)) for name in ATTRIBUTES)


def by_looking(question, scene):
    """The answer in plain loops."""
    if isinstance(question, HowMany):
        return NUMBERS[len([item for item in scene.objects if agree(question.description, item)])]
    if isinstance(question, WhatIs):
        (item,) = [item for item in scene.objects if agree(question.description, item)]
        return getattr(item, question.attribute)
    if isinstance(question, AreMore):
        difference = 0
        for item in scene.objects:
            difference += agree(question.first, item) - agree(question.second, item)
        return 'yes' if difference > 0 else 'no'
    claim = question.claim
    if isinstance(claim, Exists):
        return 'yes' if any(agree(claim.description, item) for item in scene.objects) else 'no'
    for a in scene.objects:
        for b in scene.objects:
            if a is not b and agree(claim.first, a) and agree(claim.second, b):
                is_so = {'left': a.x < b.x, 'right': a.x > b.x, 'above': a.y < b.y, 'below': a.y > b.y}
                if is_so[claim.relation]:
                    return 'yes'
    return 'no'


def test_answers_are_those_of_plain_loops(asked):
    rows = iter(asked)
    for index in range(1500):
        scene, _ = counted_scene_of(5, index)
        for _ in KINDS:
            question, _, _, said = next(rows)
            assert said == by_looking(question, scene), question


def test_kinds_of_a_scene_differ_and_more_questions_begin_with_the_same_ones(asked):
    kinds = Counter()
    for index in range(100):
        questions = questions_of(5, index, 5)
        assert {kind for _, kind, _ in questions} == set(KINDS)
        assert questions_of(5, index, 2) == questions[:2]
        assert [question for question, *_ in questions] == [row[0] for row in asked[5 * index : 5 * index + 5]]
        kinds[questions[0][1]] += 1
    assert len(kinds) == 5


def test_answers_are_balanced(asked):
    answers = defaultdict(Counter)
    for question, kind, _, said in asked:
        answers[kind, getattr(question, 'attribute', None)][said] += 1
    assert set().union(*answers.values()) == set(shape_world_answers())
    for kind in ('exists', 'compare', 'relation'):
        assert answers[kind, None]['yes'] / 1500 == pytest.approx(0.5, abs=0.04)
    assert set(answers['count', None]) == set(NUMBERS[:4])
    assert max(answers['count', None].values()) / 1500 < 0.3
    for name, values in ATTRIBUTES.items():
        said = answers['attribute', name]
        assert set(said) == set(values)
        assert max(said.values()) / said.total() < 1 / len(values) + 0.07


def test_no_is_nearly_yes(asked):
    """A wrong object or order, not a strange one, is what often makes the answer no."""
    present = defaultdict(list)
    rows = iter(asked)
    for index in range(1500):
        scene, _ = counted_scene_of(5, index)
        for _ in KINDS:
            question, kind, _, said = next(rows)
            if said == 'no' and kind == 'exists':
                stated = {(name, value) for name, value in vars(question.claim.description).items() if value}
                seen = {(name, getattr(item, name)) for item in scene.objects for name in ATTRIBUTES}
                present[kind].append(stated <= seen)
            if said == 'no' and kind == 'relation':
                present[kind].append(holds(Pair(question.claim.first, question.claim.second), scene))
            if said == 'no' and kind == 'compare':
                present[kind].append(
                    all(any(agree(d, item) for item in scene.objects) for d in (question.first, question.second))
                )
    share = {kind: np.mean(values) for kind, values in present.items()}
    assert share['exists'] > 0.5
    assert share['relation'] > 0.75
    assert share['compare'] > 0.45


def test_the_words_do_not_tell_the_answer(asked):
    """A judge of the words stays at chance, for every kind of question and each attribute."""
    groups = defaultdict(list)
    for question, kind, text, said in asked:
        groups[kind, getattr(question, 'attribute', None)].append((text, said))
    assert len(groups) == 4 + 4
    for (kind, attribute), pairs in groups.items():
        half = len(pairs) // 2
        judge = BlindJudge().fit(*zip(*pairs[:half], strict=True))
        accuracy = judge.accuracy(*zip(*pairs[half:], strict=True))
        assert accuracy < 1 / len(judge.answers) + (0.09 if kind == 'attribute' else 0.05), (kind, attribute)


def test_the_judge_finds_what_unbalanced_questions_give_away():
    """The obvious way: a statement about this scene, or a random one that is false. Who is specific is wrong."""
    rng = np.random.default_rng(0)
    texts, answers = [], []
    for index in range(1000):
        scene, is_yes = scene_of(6, index), index % 2 == 0
        while True:
            claim = sample_claim(scene, rng) if is_yes else Exists(random_description(rng))
            if isinstance(claim, Exists) and holds(claim, scene) is is_yes:
                break
        texts.append(word_question(IsTrue(claim), rng))
        answers.append('yes' if is_yes else 'no')
    assert BlindJudge().fit(texts[:600], answers[:600]).accuracy(texts[600:], answers[600:]) > 0.6


def random_description(rng):
    chosen = {name: str(rng.choice(values)) for name, values in ATTRIBUTES.items() if rng.random() < 0.7}
    return Description(**chosen)


def test_words_are_known_and_answers_too(asked):
    vocabulary = shape_world_vocabulary(questions=True)
    captions = shape_world_vocabulary()
    assert vocabulary[: len(captions)] == captions
    assert len(set(vocabulary)) == len(vocabulary) == 120
    tokenizer = WordPieceTokenizer(vocab=dict(type='shape_world_vocabulary', questions=True))
    unknown = vocabulary.index('[UNK]')
    texts = {text for _, _, text, _ in asked}
    for text in [*texts, *shape_world_answers()]:
        ids = tokenizer.encode(text)
        assert unknown not in ids
        assert len(ids) == len(text.split()) + 2 <= 26
    words = {word for text in texts for word in text.split()}
    assert {'?', 'colour', 'pattern', 'fewer', 'zero'} - words == {'zero'}  # an answer only


def test_grammar(asked):
    for question, _, text, _ in asked:
        assert text == text.lower() == ' '.join(text.split())
        assert text.endswith(' ?')
        assert '{' not in text
        if isinstance(question, WhatIs):
            assert text.split().count('shape') <= 1


@pytest.mark.parametrize(
    ('question', 'possible'),
    [
        (IsTrue(Exists(Description('star', 'red'))), {'is there a red star ?', 'can you see a red star ?'}),
        (IsTrue(Pair(STAR, Description('heart', 'red'), 'left')), {'is a star left of a red heart ?'}),
        (IsTrue(Pair(STAR, STAR, 'left')), {'is there a star to the left of another star ?'}),
        (HowMany(Description(texture='striped')), {'how many striped objects are there ?'}),
        (WhatIs(Description('star', size='small'), 'colour'), {'what colour is the small star ?'}),
        (WhatIs(RED, 'shape'), {'what shape is the red thing ?', 'which shape does the red object have ?'}),
        (WhatIs(STAR, 'texture'), {'what is the pattern of the star ?', 'which texture does the star have ?'}),
        (
            AreMore(RED, BLUE),
            {'are there more red objects than blue objects ?', 'are there fewer blue objects than red objects ?'},
        ),
    ],
)
def test_wording(question, possible):
    rng = np.random.default_rng(0)
    assert possible <= {word_question(question, rng) for _ in range(800)}


def test_bad_input():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match='could match both'):
        AreMore(RED, STAR)
    with pytest.raises(ValueError, match='attribute is one of'):
        WhatIs(RED, 'weight')
    with pytest.raises(ValueError, match='tells the colour'):
        WhatIs(RED, 'colour')
    with pytest.raises(ValueError, match='2 objects match'):
        answer(WhatIs(RED, 'size'), SCENE)
    with pytest.raises(ValueError, match='0 objects match'):
        answer(WhatIs(Description(colour='green'), 'size'), SCENE)
    with pytest.raises(TypeError, match='a question is IsTrue'):
        answer('is there a star ?', SCENE)
    with pytest.raises(ValueError, match="got 'count'"):
        sample_question('count', SCENE, rng)
    for nothing in ('is there a star ?', IsTrue(Count(RED, 2)), IsTrue(Pair(RED, BLUE))):
        with pytest.raises(TypeError, match='no words for'):
            word_question(nothing, rng)
