"""WordPieceTokenizer against transformers' BERT tokenizer."""

import json
import multiprocessing
import pickle
from pathlib import Path

import numpy as np
import pytest
from mmengine.registry import DefaultScope

from sacl_mm.datasets import WordPieceTokenizer, build_tokenizer
from sacl_mm.registry import TASK_UTILS

PIECES = ['a', 'dog', '##s', 'run', '##ning', ',', 'the', 'cafe', "'", 't', 'don', '-', '[', ']', 'mask']
SPECIAL = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
TEXTS = ['A Dog, running', 'the  Café dogs', "don't run-running", 'a zebra', '', '火 a\tdog\n', 'a' * 300]


@pytest.fixture
def vocab_file(tmp_path: Path) -> str:
    path = tmp_path / 'vocab.txt'
    path.write_text('\n'.join(SPECIAL + PIECES) + '\n')
    return str(path)


@TASK_UTILS.register_module()
def words_of_a_test() -> list[str]:
    return ['red', 'blue']


def encode_in_child(tokenizer: WordPieceTokenizer, text: str) -> list[int]:
    return tokenizer.encode(text)


def test_equals_transformers(vocab_file: str, tmp_path: Path) -> None:
    from transformers import BertTokenizerFast

    folder = tmp_path / 'checkpoint'
    folder.mkdir()
    (folder / 'vocab.txt').write_text(Path(vocab_file).read_text())
    (folder / 'config.json').write_text('{"model_type": "bert"}')
    theirs = BertTokenizerFast.from_pretrained(str(folder))
    theirs.save_pretrained(str(tmp_path / 'saved'))  # transformers 5 writes tokenizer.json only
    for ours in (
        WordPieceTokenizer(vocab_file=vocab_file),
        WordPieceTokenizer(vocab=PIECES),
        WordPieceTokenizer(vocab=SPECIAL + PIECES),
        WordPieceTokenizer(pretrained=str(folder)),
        WordPieceTokenizer(pretrained=str(tmp_path / 'saved')),
    ):
        assert ours.vocab_size == 20
        assert (ours.pad_id, ours.unk_id, ours.cls_id, ours.sep_id, ours.mask_id) == (0, 1, 2, 3, 4)
        for text in TEXTS:
            assert ours.encode(text) == theirs(text)['input_ids']
            assert ours.encode(text, 5) == theirs(text, truncation=True, max_length=5)['input_ids']


def test_tokenizer_json_alone(vocab_file: str, tmp_path: Path) -> None:
    ids = {piece: number for number, piece in reversed(list(enumerate(SPECIAL + PIECES)))}
    folder = tmp_path / 'folder'
    folder.mkdir()
    file = folder / 'tokenizer.json'
    file.write_text(json.dumps({'model': {'type': 'WordPiece', 'vocab': ids}}))
    expected = WordPieceTokenizer(vocab_file=vocab_file)
    assert WordPieceTokenizer(pretrained=str(folder)).encode(TEXTS[0]) == expected.encode(TEXTS[0])
    file.write_text(json.dumps({'model': {'type': 'BPE', 'vocab': {}}}))
    with pytest.raises(ValueError, match=r'tokenizer\.json: expected a WordPiece model, got BPE'):
        WordPieceTokenizer(pretrained=str(folder))


@pytest.mark.parametrize('max_length', [3, 4, 5, 6, 7, None])
def test_truncation_keeps_the_separator(max_length: int | None) -> None:
    tokenizer = WordPieceTokenizer(vocab=PIECES)
    ids = tokenizer.encode('the dogs run', max_length)
    whole = [2, *(5 + PIECES.index(piece) for piece in ('the', 'dog', '##s', 'run')), 3]
    assert ids == (whole if max_length in (6, 7, None) else [*whole[: max_length - 1], 3])


def test_decode() -> None:
    tokenizer = WordPieceTokenizer(vocab=PIECES)
    ids = [*tokenizer.encode('The dogs  running zebra'), 0, 0]
    assert tokenizer.decode(ids) == tokenizer.decode(np.array(ids)) == 'the dogs running [UNK]'
    assert tokenizer.decode([2, 4, 6, 3]) == '[MASK] dog'


def test_captions_cannot_spell_special_tokens() -> None:
    tokenizer = WordPieceTokenizer(vocab=PIECES)
    assert not {tokenizer.mask_id, tokenizer.sep_id} & set(tokenizer.encode('a [MASK] [SEP]')[1:-1])


def test_vocabulary_of_a_function() -> None:
    for name in ('words_of_a_test', 'sacl_mm.words_of_a_test'):
        assert WordPieceTokenizer(vocab=dict(type=name)).encode('Blue red') == [2, 6, 5, 3]


def test_equal_configs_share_a_tokenizer(vocab_file: str) -> None:
    cfg = dict(type='WordPieceTokenizer', vocab_file=vocab_file)
    tokenizer = build_tokenizer(cfg)
    assert build_tokenizer(dict(reversed(cfg.items()))) is tokenizer
    assert build_tokenizer(tokenizer) is tokenizer
    assert build_tokenizer(dict(type='WordPieceTokenizer', vocab=PIECES)) is not tokenizer


@pytest.mark.parametrize('context', ['fork', 'spawn'])
def test_goes_to_workers(context: str) -> None:
    tokenizer = WordPieceTokenizer(vocab=PIECES)
    assert pickle.loads(pickle.dumps(tokenizer)).encode('a dog') == tokenizer.encode('a dog')
    with multiprocessing.get_context(context).Pool(1) as pool:
        assert pool.apply(encode_in_child, (tokenizer, 'a dog')) == tokenizer.encode('a dog')
        pool.close()
        pool.join()  # leaving the block would send SIGTERM, for which an earlier training may have left a handler


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({}, 'exactly one of vocab, vocab_file, pretrained; got none'),
        (dict(vocab=['a'], vocab_file='x'), 'exactly one'),
        (dict(vocab='shape_world'), 'give a list of words'),
        (dict(vocab=['a', 'b', 'a']), r"1 words occur twice: \['a'\]"),
        (dict(vocab=['[PAD]', 'a']), r"special tokens \['\[UNK\]', .* are missing"),
        (dict(vocab=['Red', 'light-blue', 'two words', 'red']), "3 words can never be found.*'Red', 'light-blue'"),
    ],
)
def test_bad_vocabularies(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WordPieceTokenizer(**options)


def test_bad_files(tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(FileNotFoundError, match='vocab_file nothing does not exist'):
        WordPieceTokenizer(vocab_file='nothing')
    with pytest.raises(FileNotFoundError, match=r'neither vocab\.txt nor tokenizer\.json'):
        WordPieceTokenizer(pretrained=str(tmp_path))
    (tmp_path / 'vocab.txt').write_text('a\n')
    with pytest.raises(ValueError, match=r'vocab\.txt.*\[PAD\]|\[PAD\]'):
        WordPieceTokenizer(pretrained=str(tmp_path))
    (tmp_path / 'tokenizer_config.json').write_text('{"do_lower_case": false}')
    with pytest.raises(ValueError, match='cased checkpoint'):
        WordPieceTokenizer(pretrained=str(tmp_path))


def test_hub(vocab_file: str, monkeypatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, 'snapshot_download', lambda name, allow_patterns: str(Path(vocab_file).parent))
    assert WordPieceTokenizer(pretrained='some/bert').encode('a') == [2, 5, 3]

    def unreachable(name: str, allow_patterns: list[str]) -> str:
        raise RuntimeError('no network\nlong story')

    monkeypatch.setattr(huggingface_hub, 'snapshot_download', unreachable)
    with pytest.raises(
        FileNotFoundError, match=r"pretrained='some/bert' is no folder.*no network\)\. Give pretrained="
    ):
        WordPieceTokenizer(pretrained='some/bert')


def test_max_length_too_short() -> None:
    with pytest.raises(ValueError, match='max_length must leave room'):
        WordPieceTokenizer(vocab=PIECES).encode('a', 2)


def test_configs_of_other_libraries(vocab_file: str) -> None:
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        for name in ('WordPieceTokenizer', 'sacl_mm.WordPieceTokenizer'):
            assert build_tokenizer(dict(type=name, vocab=dict(type='words_of_a_test'))).vocab_size == 7
        assert WordPieceTokenizer(vocab=dict(type='words_of_a_test')).vocab_size == 7


def test_vocabulary_of_the_shape_world() -> None:
    name = 'sacl_mm.datasets.shape_world.shape_world_vocabulary'
    tokenizer = build_tokenizer(dict(type='WordPieceTokenizer', vocab=dict(type=name)))
    assert tokenizer.vocab_size > 5
    assert tokenizer.pad_id == 0
