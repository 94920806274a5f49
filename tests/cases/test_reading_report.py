"""What datasets say of their files, and of what the tokenizer makes of their texts."""

import json
import logging
from pathlib import Path

import pytest
import torch
from command_line import in_process
from mmengine.dataset import ConcatDataset, RepeatDataset

import sacl_mm.reading_report as reports
from sacl_mm.datasets import CachedFeatures, ImageTextPairs, VisualQuestions
from sacl_mm.datasets.text_statistics import log_text_statistics, text_statistics
from sacl_mm.models.heads import AnswerDecoder
from sacl_mm.models.text_encoders import BertTextEncoder
from sacl_mm.reading_report import ReadingReport

VOCAB = ['a', 'dog', 'cat', 'runs', 'yes']
TOKENIZE = dict(type='sacl_mm.TokenizeText', tokenizer=dict(type='WordPieceTokenizer', vocab=VOCAB), max_length=5)
CLEAN = dict(type='mmpretrain.CleanCaption', keys='text')


@pytest.fixture
def log(monkeypatch) -> list[tuple[int, str]]:
    lines = []

    def record(line: str, logger: str, level: int = logging.INFO) -> None:
        assert logger == 'current'
        lines.append((level, line))

    monkeypatch.setattr(reports, 'print_log', record)
    monkeypatch.setattr('sacl_mm.datasets.text_statistics.print_log', record)
    return lines


def pairs(tmp_path: Path, captions: dict[str, list[str]], **options: object) -> ImageTextPairs:
    for name in captions:
        (tmp_path / name).touch()
    entries = [dict(image=name, caption=texts) for name, texts in captions.items()]
    (tmp_path / 'pairs.json').write_text(json.dumps(entries))
    return ImageTextPairs(
        'pairs.json', data_root=str(tmp_path), data_prefix=dict(img_path=''), **dict(dict(pipeline=[]), **options)
    )


def test_a_dataset_tells_once_what_it_read(tmp_path: Path, log: list) -> None:
    dataset = pairs(tmp_path, {'0.png': ['a dog', 'a cat'], '1.png': ['a dog']})
    dataset.full_init()
    assert log == [(logging.INFO, f'{tmp_path}/pairs.json: 2 images, 3 captions read')]
    assert dataset.reading_report.read == dict(images=2, captions=3)


def test_what_is_skipped_or_repaired_is_a_warning(tmp_path: Path, log: list) -> None:
    captions = {'0.png': ['so \ud83d'], '1.png': [], '2.png': [], '3.png': ['a', 'a'], '4.png': ['?!']}
    pairs(tmp_path, captions)
    ((level, line),) = log
    assert level == logging.WARNING
    assert 'repaired, texts with half a character, read as U+FFFD: 1' in line
    assert 'skipped, images without a caption: 2 (1.png, 2.png)' in line
    assert 'noticed, images with the same caption twice: 1 (3.png)' in line
    assert 'noticed, captions without a letter or digit, left out in training: 1 (4.png)' in line


def test_what_is_only_noticed_is_no_warning(tmp_path: Path, log: list) -> None:
    (tmp_path / 'split.txt').write_text('0.png\n0.png\n')
    pairs(tmp_path, {'0.png': ['a', 'a']}, split_file='split.txt')
    assert [level for level, _ in log] == [logging.INFO]
    assert '1 images of split.txt' in log[0][1]
    assert 'listed again: 1' in log[0][1]


def test_three_examples_a_reason_and_no_escape_sequences() -> None:
    report = ReadingReport('a\x1b[31m')
    for number in range(2000):
        report.skip('lines', f'{number}\x1b[31m')
    assert report.lines() == ['skipped, lines: 2,000 (0\\x1b[31m, 1\\x1b[31m, 2\\x1b[31m, ...)']


def test_statistics_of_texts(tmp_path: Path) -> None:
    captions = {'0.png': ['A dog, runs!', 'a cat'], '1.png': ['a bird runs a dog a cat']}
    (one,) = text_statistics(pairs(tmp_path, captions, pipeline=[CLEAN, TOKENIZE]))
    assert (one.field, one.max_length, one.texts, one.tokens) == ('text', 5, 3, 3 + 2 + 7)
    assert (one.unknown, one.longest, one.cut) == (1, 9, 1)
    assert one.unknown_share == pytest.approx(1 / 12)
    assert str(one) == (
        '3 texts (text): 8.3% of their tokens are [UNK], the longest has 9 tokens, 1 are cut to max_length=5'
    )


SCRIPTS = {
    "captions in a script that the vocabulary lacks (Thai, Chinese with MiniLM's)": 'หมาสีแดง',
    'Chinese': '一只红色的狗',
    'Arabic': 'كلب أحمر',
    'emoji': '🐕 🐈 🐕',
    'another language': 'ein roter Hund',
}


@pytest.mark.parametrize('case', SCRIPTS)
def test_unknown_scripts_are_warned_of(case: str, tmp_path: Path, log: list) -> None:
    dataset = pairs(tmp_path, {'0.png': [SCRIPTS[case]]}, pipeline=[TOKENIZE])
    log.clear()
    log_text_statistics(dataset, 'training')
    assert [level for level, _ in log] == [logging.INFO, logging.WARNING]
    assert 'training: 100.0% of the tokens (text) are [UNK]' in log[1][1]


def test_five_percent_of_unknown_words_are_no_warning(tmp_path: Path) -> None:
    (one,) = text_statistics(pairs(tmp_path, {'0.png': ['a dog runs ' * 6 + 'a bird']}, pipeline=[TOKENIZE]))
    assert (one.unknown_share, one.warning()) == (0.05, None)


def test_joined_datasets_questions_and_a_sample(tmp_path: Path) -> None:
    questions = [dict(image='0.png', question='a dog', answer=['yes', 'no'])]
    (tmp_path / 'q.json').write_text(json.dumps(questions))
    first = pairs(tmp_path, {f'{number}.png': ['a dog runs'] for number in range(100)}, pipeline=[TOKENIZE])
    steps = [TOKENIZE, dict(TOKENIZE, field='gt_answer', to='gt_answer_token_ids', end=False)]
    second = VisualQuestions('q.json', data_root=str(tmp_path), data_prefix=dict(img_path=''), pipeline=steps)
    text, answers = text_statistics(ConcatDataset([first, second]), most=50)
    assert (text.field, text.texts, text.unknown) == ('text', 26, 0)
    assert (answers.field, answers.texts, answers.unknown, answers.longest) == ('gt_answer', 2, 1, 2)
    (repeated,) = text_statistics(RepeatDataset(first, 2))
    assert repeated.texts == 100


def test_features_computed_before_have_no_statistics() -> None:
    assert text_statistics(CachedFeatures.__new__(CachedFeatures)) == []


def test_a_text_longer_than_the_positions() -> None:
    ids = torch.ones(1, 9, dtype=torch.long)
    options = dict(vocab_size=9, width=8, num_layers=1, num_heads=2, max_length=8)
    with pytest.raises(ValueError, match=r'a text of 9 tokens; this BertTextEncoder has max_length=8'):
        BertTextEncoder(**options)(ids, ids > 0)
    with pytest.raises(ValueError, match=r'an answer of 9 tokens; this AnswerDecoder has max_length=8'):
        AnswerDecoder(**options)(ids, ids > 0, [], ids > 0, None)


def test_describe_data_shows_the_report_and_the_share_of_unknown_words(tmp_path: Path, monkeypatch, capsys) -> None:
    pairs(tmp_path, {'0.png': ['ein Hund'], '1.png': []})
    dataset = dict(
        type='ImageTextPairs', ann_file='pairs.json', data_root=str(tmp_path), data_prefix=dict(img_path=''),
        pipeline=[dict(type='LoadImageFromFile'), TOKENIZE],
    )  # fmt: skip
    lost = dict(dataset, pipeline=[dict(TOKENIZE, tokenizer=dict(type='WordPieceTokenizer', vocab_file='nowhere.txt'))])
    config = tmp_path / 'config.py'
    config.write_text(f'train_dataloader = dict(dataset={dataset!r})\nval_dataloader = dict(dataset={lost!r})')
    in_process(monkeypatch, 'describe_data', config)
    out = capsys.readouterr().out
    assert 'train, 2 images, 1 captions read' in out
    assert 'train, skipped, images without a caption: 1 (1.png)' in out
    assert 'train, 1 texts (text): 100.0% of their tokens are [UNK], the longest has 4 tokens' in out
    assert "is the tokenizer's vocabulary that of the texts' language" in out
    assert 'val, the texts are not tokenized: ' in out
