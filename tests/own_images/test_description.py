"""What is told about one's own images and captions."""

import shutil

import cv2
import numpy as np
import pytest
from command_line import ROOT

from sacl_mm.datasets.own_data import read_own_data
from sacl_mm.engine.checks.config_file import config_from_file
from sacl_mm.own_images import description
from sacl_mm.own_images.description import describe, training_batch
from sacl_mm.own_images.false_negatives import LikelyFalseNegatives
from sacl_mm.own_images.training import POLICIES


@pytest.fixture
def data(tmp_path):
    for number in range(9):
        coarse = np.random.default_rng(number).integers(0, 255, (5, 7, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f'{number}.png'), cv2.resize(coarse, (40 + number, 90)))
    shutil.copy(tmp_path / '0.png', tmp_path / '9.png')
    (tmp_path / '3.png').write_bytes(b'broken')
    captions = {number: [f'word{number} here'] for number in range(10)}
    captions |= {4: ['A red dog.', 'a dog runs', 'a dog runs'], 5: ['a red dog'], 6: ['a dog']}
    rows = [f'{number}.png,{text}' for number, texts in captions.items() for text in texts]
    (tmp_path / 'captions.csv').write_text('image,caption\n' + '\n'.join(rows))
    return read_own_data(str(tmp_path / 'captions.csv'))


def rows_of(described):
    return {row[0]: list(row[1:]) for table in described.tables for row in table.rows}


def test_tables(data, monkeypatch):
    monkeypatch.setattr(description, 'packaged', lambda name: None)
    described = describe(data, batch_size=5)
    rows = rows_of(described)
    assert rows['images'] == ['9', '']
    assert rows['captions'] == ['11', '']
    assert rows['skipped: images that cannot be read'][0] == '1'
    assert '3.png' in rows['skipped: images that cannot be read'][1]
    assert rows['captions that several images have'] == ['1', 'a red dog']
    assert rows['captions that an image has twice'] == ['1', 'a dog runs']
    assert rows['images that look like another one'] == ['2', '0.png = 9.png']
    assert rows['shorter side of an image, pixels'] == ['40', '44', '48']
    assert rows['longer side of an image, pixels'] == ['90', '90', '90']
    assert rows['captions of an image'] == ['1', '1', '3']
    assert rows['words of a caption'] == ['2', '2', '3']
    # Of the 9 * 8 pairs: image 4 and all captions of 5 and 6, image 5 and a third of those of 4 and that of 6.
    share = (1 + 1 + 1 / 3 + 1) / 72
    assert rows['share of the negatives'] == [f'{share:.3%}']
    assert rows['of the 4 negatives of an image in a batch of 5'] == [f'{4 * share:.3f}']
    assert rows['in the whole batch'] == [f'{20 * share:.1f}']
    assert rows['policy for such data'] == ['--policy infonce']
    places = [(data.names[one.image], data.names[one.owner], one.caption) for one in described.suspects]
    assert places == [('4.png', '5.png', 'a red dog'), ('5.png', '4.png', 'A red dog.')]
    (note,) = described.notes
    assert 'pip install -e .[small]' in note


@pytest.mark.parametrize(
    ('each', 'share', 'policy'),
    [(1, 0.0002, 'infonce'), (1, 0.03, 'infonce'), (3, 0.0002, 'caption_weights'), (3, 0.03, 'soft_targets')],
)
def test_the_policy_by_captions_of_an_image_and_share_of_false_negatives(each, share, policy):
    captions = [[f'word{number} and{k}' for k in range(each)] for number in range(9)]
    rows = dict(description._negatives(LikelyFalseNegatives(share, 9, []), 5, captions))
    assert rows['policy for such data'] == f'--policy {policy}'
    assert policy in POLICIES


def test_unknown_words(data, monkeypatch, tmp_path):
    words = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', 'red', 'dog', 'runs', '.']
    (tmp_path / 'vocab.txt').write_text('\n'.join(words))
    monkeypatch.setattr(description, 'packaged', lambda name: str(tmp_path))
    described = describe(data, batch_size=2)
    unknown, tokens = 12, 12 + 15  # two words each of six images; the full stop is a token
    assert rows_of(described)['tokens that MiniLM does not know ([UNK])'] == [
        str(unknown),
        f'{unknown / tokens:.2%} of the tokens',
    ]
    (warning,) = described.notes
    assert 'is the tokenizer' in warning


def test_a_sample_is_told(data, monkeypatch):
    full = description.likely_false_negatives
    monkeypatch.setattr(description, 'likely_false_negatives', lambda captions: full(captions, most_images=4))
    assert 'false negatives: estimated from 4 of 9 images, evenly spread' in describe(data, batch_size=2).notes


def test_the_batch_is_that_of_a_training(data):
    cfg = config_from_file(f'{ROOT}/configs/own/small.py')
    assert training_batch(cfg, data) == 2
    assert cfg.train_dataloader.batch_size == 512
    data.names, data.hashes = [str(number) for number in range(5000)], [number**7 % 2**63 for number in range(5000)]
    assert training_batch(cfg, data) == 512
    data.names, data.hashes = data.names[:3], data.hashes[:3]
    assert training_batch(cfg, data) == 2
