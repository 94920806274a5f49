"""Token ids are those of the model's own tokenizer, as `TokenizeText` and the statistics of texts use it."""

import pickle

import pytest
from pretrained_examples import KINDS, TEXTS, clip
from transformers import AutoTokenizer

from sacl_mm.datasets import PretrainedTokenizer, TokenizeText
from sacl_mm.datasets.text_statistics import statistics_of_samples
from sacl_mm.user_error import UserError

LONG = 'a cat on a hill, ' * 40


def test_clip_cuts_and_does_not_pad(tmp_path):
    tokenizer, theirs = PretrainedTokenizer(clip(tmp_path)), AutoTokenizer.from_pretrained(tmp_path)
    assert (tokenizer.max_length, tokenizer.vocab_size, tokenizer.unk_id) == (77, len(theirs), -1)
    for text in (*TEXTS, LONG, '', 'Café 火'):
        assert tokenizer.encode(text) == theirs(text)['input_ids']
        assert tokenizer.encode(text, 77) == theirs(text, truncation=True)['input_ids']
        assert tokenizer.encode(text, 5) == theirs(text, truncation=True, max_length=5)['input_ids']
    assert tokenizer.decode(tokenizer.encode('a red cat')) == 'a red cat'
    assert pickle.loads(pickle.dumps(tokenizer)).encode('a cat') == tokenizer.encode('a cat')


@pytest.mark.parametrize(('kind', 'length'), [('siglip', 64), ('siglip2', 64), ('open_clip', 20)])
def test_models_that_see_their_padding_get_it(kind, length, tmp_path):
    if kind == 'open_clip':
        pytest.importorskip('open_clip')
    tokenizer = PretrainedTokenizer(KINDS[kind](tmp_path))
    for text in ('a cat', LONG):
        assert len(tokenizer.encode(text, length)) == len(tokenizer.encode(text, 5)) == length
    short = tokenizer.encode('a cat')
    assert tokenizer.encode('a cat', length) == short + [tokenizer.pad_id] * (length - len(short))
    assert tokenizer.encode(LONG, 5)[5:] == [tokenizer.pad_id] * (length - 5)
    assert len(tokenizer.encode(LONG)) > 100
    assert tokenizer.decode(tokenizer.encode('a cat', length)).strip() == 'a cat'


def test_texts_have_the_length_of_the_model(tmp_path):
    tokenizer = dict(type='PretrainedTokenizer', pretrained=clip(tmp_path))
    assert TokenizeText(tokenizer).max_length == 77
    assert TokenizeText(tokenizer, max_length=20).max_length == 20
    with pytest.raises(ValueError, match="max_length=78, but the tokenizer's model takes at most 77"):
        TokenizeText(tokenizer, max_length=78)
    assert TokenizeText(dict(type='WordPieceTokenizer', vocab=['a'])).max_length == 30


def test_statistics_count_uncut_texts(tmp_path):
    siglip = PretrainedTokenizer(KINDS['siglip'](tmp_path))
    [found] = statistics_of_samples([([TokenizeText(siglip)], [dict(text=['a cat', 'a zebra', LONG])])])
    assert (found.max_length, found.texts, found.cut, found.unknown > 0) == (64, 3, 1, True)


def test_what_is_missing_is_named(tmp_path):
    pretrained = clip(tmp_path)
    for name in ('vocab.json', 'merges.txt', 'tokenizer_config.json'):
        (tmp_path / name).unlink()
    with pytest.raises(UserError, match="pretrained='.*': cannot read its tokenizer"):
        PretrainedTokenizer(pretrained)
