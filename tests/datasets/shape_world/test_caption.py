import hashlib
import re

import numpy as np
import pytest

from sacl_mm.datasets.shape_world import (
    Count,
    Description,
    Exists,
    Pair,
    ShapeWorld,
    ShapeWorldRelevance,
    captions_of,
    holds,
    sample_claim,
    scene_of,
    shape_world_vocabulary,
    word_claim,
)

CAPTIONS = [(scene_of(2, index), claim, text) for index in range(400) for claim, text in captions_of(2, index, 5)]


def test_captions_are_true_and_of_every_kind():
    assert all(holds(claim, scene) for scene, claim, _ in CAPTIONS)
    kinds = {(type(claim), getattr(claim, 'relation', None)) for _, claim, _ in CAPTIONS}
    relations = {(Pair, relation) for relation in (None, 'left', 'right', 'above', 'below')}
    assert kinds == {(Exists, None), (Count, None)} | relations


def test_captions_leave_no_doubt():
    for _, claim, _ in CAPTIONS:
        if isinstance(claim, Exists):  # 'a large object' is in most images
            assert claim.description.shape or claim.description.colour
        if isinstance(claim, Pair) and claim.relation is None:  # one object cannot be meant twice
            assert claim.first.excludes(claim.second)


def test_vocabulary_is_closed_and_without_idle_words():
    vocabulary = shape_world_vocabulary()
    assert vocabulary[:5] == ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
    assert len(set(vocabulary)) == len(vocabulary)
    words = {word for _, _, text in CAPTIONS for word in re.findall(r'\w+|[^\w\s]', text)}
    assert words <= set(vocabulary)
    assert set(vocabulary[5:]) - words <= {'five'}  # rare
    assert len(vocabulary) == 89  # that of the published checkpoints


def test_bert_tokenizer_knows_every_word(tmp_path):
    from transformers import BertTokenizer

    (tmp_path / 'vocab.txt').write_text('\n'.join(shape_world_vocabulary()))
    tokenizer = BertTokenizer(str(tmp_path / 'vocab.txt'))
    for _, _, text in CAPTIONS[:200]:
        ids = tokenizer(text).input_ids
        assert tokenizer.unk_token_id not in ids
        assert len(ids) == len(text.split()) + 2 <= 25


def test_grammar():
    for _, claim, text in CAPTIONS:
        assert text == text.lower() == ' '.join(text.split())
        assert not re.search(r'\ba [aeiou]|\ban [^aeiou]', text), text
        assert '{' not in text
        if isinstance(claim, Count):
            plural = text.endswith('s') and not text.endswith('cross')
            assert plural == (claim.number > 1), text
            assert not re.search(r'is exactly (?!one)|are exactly one', text), text


@pytest.mark.parametrize(
    ('claim', 'possible'),
    [
        (
            Exists(Description('star', 'orange')),
            {'an orange star', 'there is an orange star', 'we can see an orange star'},
        ),
        (Exists(Description('heart', texture='dotted')), {'a dotted heart', 'a spotted heart', 'a heart with dots'}),
        (Exists(Description(colour='red')), {'something red', 'a red object', 'a red thing', 'a red shape'}),
        (Count(Description('cross', 'red'), 2), {'exactly two red crosses', 'there are exactly two red crosses'}),
        (Count(Description('square', size='large'), 1), {'exactly one large square', 'exactly one big box'}),
        (Pair(Description('star'), Description('heart')), {'a star and a heart', 'a star together with a heart'}),
        (
            Pair(Description('star'), Description('star'), 'left'),
            {'a star is left of another star', 'a star to the left of another star'},
        ),
        (
            Pair(Description('star'), Description('cross'), 'below'),
            {'a star is below a cross', 'a star lower than a cross'},
        ),
    ],
)
def test_wording(claim, possible):
    rng = np.random.default_rng(0)
    assert possible <= {word_claim(claim, rng) for _ in range(1500)}


def test_captions_stay_as_they_are():
    """Published numbers were measured on them."""
    text = '|'.join(text for index in range(200) for _, text in captions_of(0, index, 5))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == '9266804d76af2bbe'


def test_sampling_depends_on_the_generator_only():
    scene = scene_of(0, 0)
    first, second = (np.random.default_rng(5) for _ in range(2))
    claim = sample_claim(scene, first)
    assert claim == sample_claim(scene, second)
    assert word_claim(claim, first) == word_claim(claim, second)


def test_bad_input():
    with pytest.raises(TypeError, match='Exists, Count or Pair'):
        word_claim('a red star', np.random.default_rng(0))


def test_detail_makes_captions_true_of_fewer_scenes():
    """A caption is then true of fewer other scenes; 0 is the world as it was."""
    shares = []
    for detail in (-1, 0, 1, 2):
        dataset = ShapeWorld(60, captions_per_image=5, detail=detail)
        relevant = dataset.relevance()
        known = ShapeWorldRelevance(detail=detail)(np.arange(60), np.arange(300))
        np.testing.assert_array_equal(relevant, known)
        assert relevant[np.arange(300) // 5, np.arange(300)].all()
        shares.append(relevant.mean())
    assert shares == sorted(shares, reverse=True)
    assert len(set(shares)) == 4
    assert captions_of(2, 7, 5, 0) == captions_of(2, 7, 5)
    with pytest.raises(ValueError, match='detail must be a whole number from -3 to 3'):
        ShapeWorld(2, detail=4)
