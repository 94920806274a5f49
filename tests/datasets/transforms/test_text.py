"""SampleCaption, TokenizeText, and mmpretrain's CleanCaption on our samples."""

import copy
import random
from collections import Counter

import numpy as np
import pytest
from mmpretrain.datasets.transforms import CleanCaption

from sacl_mm.registry import TRANSFORMS

TOKENIZER = dict(type='WordPieceTokenizer', vocab=['a', 'dog', 'cat', 'and'])
SAMPLE = dict(text=['A dog', 'a cat and a dog', ''], text_ids=[7, 8, 9], image_id=1)


def test_sample_caption_keeps_a_pair_and_is_uniform() -> None:
    transform = TRANSFORMS.build(dict(type='SampleCaption'))
    random.seed(0)
    seen = Counter()
    for _ in range(3000):
        result = transform(copy.deepcopy(SAMPLE))
        (text,), (text_id,) = result['text'], result['text_ids']
        assert text == SAMPLE['text'][SAMPLE['text_ids'].index(text_id)]
        assert result['image_id'] == 1
        seen[text_id] += 1
    # each count is binomial(3000, 1/3): standard deviation 26
    assert set(seen) == {7, 8, 9}
    assert all(abs(count - 1000) < 130 for count in seen.values())


def test_sample_caption_without_ids() -> None:
    assert TRANSFORMS.build(dict(type='SampleCaption'))(dict(text=['a'])) == dict(text=['a'])


def test_tokenize_text() -> None:
    transform = TRANSFORMS.build(dict(type='TokenizeText', tokenizer=TOKENIZER, max_length=5))
    result = transform(copy.deepcopy(SAMPLE))
    assert result['text'] == SAMPLE['text']
    expected = [[2, 5, 6, 3], [2, 5, 7, 8, 3], [2, 3]]
    assert [ids.tolist() for ids in result['token_ids']] == expected
    assert all(ids.dtype == np.int64 and ids.ndim == 1 for ids in result['token_ids'])


def test_tokenize_answers_and_without_end() -> None:
    transform = TRANSFORMS.build(
        dict(type='TokenizeText', tokenizer=TOKENIZER, field='gt_answer', to='gt_answer_token_ids')
    )
    result = transform(dict(text=['a'], gt_answer=['a dog', 'dog']))
    assert 'token_ids' not in result
    with_end = [ids.tolist() for ids in result['gt_answer_token_ids']]
    assert all(ids[-1] == 3 for ids in with_end)
    transform = TRANSFORMS.build(
        dict(type='TokenizeText', tokenizer=TOKENIZER, max_length=3, field='gt_answer', to='x', end=False)
    )
    assert [ids.tolist() for ids in transform(dict(gt_answer=['a dog', 'a dog dog']))['x']] == [
        with_end[0][:-1],
        [*with_end[0][:-1]],
    ]


def test_tokenize_text_default_length_and_shared_tokenizer() -> None:
    first, second = (TRANSFORMS.build(dict(type='TokenizeText', tokenizer=TOKENIZER)) for _ in range(2))
    assert first.tokenizer is second.tokenizer
    (ids,) = first(dict(text=['a dog ' * 40]))['token_ids']
    assert (len(ids), ids[0], ids[-1]) == (30, 2, 3)


def test_tokenize_text_too_short() -> None:
    with pytest.raises(ValueError, match='max_length must leave room'):
        TRANSFORMS.build(dict(type='TokenizeText', tokenizer=TOKENIZER, max_length=2))


def test_clean_caption_of_mmpretrain_takes_our_lists() -> None:
    result = CleanCaption(keys='text')(dict(text=['  A dog,  running! ', 'Two']))
    assert result['text'] == ['a dog running', 'two']
