"""A payload as an annotation file, a cached grid, a vocabulary, or beside one: none of them may be run."""

import io
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from payloads import Payload, code_for
from safetensors.torch import save_file
from transformers import BertConfig, BertModel

from sacl_mm.datasets import ImageTextPairs, NLVR2Pairs, VisualQuestions, coco_ids
from sacl_mm.datasets.archives import find_member
from sacl_mm.datasets.image_text_dataset import ImageTextDataset
from sacl_mm.datasets.tokenizer import WordPieceTokenizer
from sacl_mm.datasets.transforms import LoadImageGrid, LoadImageTokens
from sacl_mm.evaluation import Flickr8kHumanJudgement
from sacl_mm.layers.bert_checkpoint import load_bert
from sacl_mm.models.vqa import read_answers


@pytest.fixture
def target(tmp_path):
    """What a payload would create; asserted to be absent after the test."""
    path = tmp_path / 'created'
    yield path
    assert not path.exists(), 'the payload was run'


def yaml(target: Path) -> bytes:
    return f"!!python/object/apply:builtins.open ['{target}', 'w']\n".encode()


CONTENTS = {
    'a pickle': lambda target: pickle.dumps(Payload(target)),
    'YAML': yaml,
    'Python': lambda target: code_for(target).encode(),
    'a NumPy archive': lambda target: numpy_bytes(target),
}


def numpy_bytes(target: Path) -> bytes:
    content = io.BytesIO()
    np.save(content, np.array([Payload(target)], dtype=object), allow_pickle=True)
    return content.getvalue()


class WithoutReader(ImageTextDataset):
    """A subclass that leaves the reading to MMEngine."""


ANNOTATION_PLACES = {
    'captions': lambda path: ImageTextPairs(ann_file=path, data_prefix=dict(img_path='images')),
    'a split': lambda path: ImageTextPairs(
        ann_file=_captions(path), split_file=path, data_prefix=dict(img_path='images')
    ),
    'questions': lambda path: VisualQuestions(ann_file=path, data_prefix=dict(img_path='images')),
    'answers of questions': lambda path: VisualQuestions(
        ann_file=_questions(path), answer_file=path, data_prefix=dict(img_path='images')
    ),
    'NLVR2': lambda path: NLVR2Pairs(ann_file=path, data_prefix=dict(img_path='images')),
    'a subclass without a reader': lambda path: WithoutReader(ann_file=path),
    'the list of answers': read_answers,
    "COCO's ids": coco_ids,
    'experts': lambda path: Flickr8kHumanJudgement(expert_file=path),
    'crowds': lambda path: Flickr8kHumanJudgement(crowdflower_file=path),
    'a grid': lambda path: LoadImageGrid(os.path.dirname(path)).transform(dict(img_path='a.jpg')),
    'tokens': lambda path: LoadImageTokens(os.path.dirname(path)).transform(dict(img_path='a.jpg')),
}


def _captions(path: str) -> str:
    beside = Path(path).with_name('captions.jsonl')
    beside.write_text(json.dumps(dict(image='a.jpg', caption='a dog')) + '\n')
    return str(beside)


def _questions(path: str) -> str:
    beside = Path(path).with_name('questions.json')
    beside.write_text(json.dumps(dict(questions=[dict(image_id=1, question='what is it', question_id=1)])))
    return str(beside)


@pytest.mark.parametrize('suffix', ['.pkl', '.pickle', '.yaml', '.json', '.jsonl', '.csv', '.npy'])
@pytest.mark.parametrize('content', CONTENTS.values(), ids=CONTENTS)
@pytest.mark.parametrize('place', ANNOTATION_PLACES.values(), ids=ANNOTATION_PLACES)
def test_annotations_are_not_run(tmp_path, target, place, content, suffix):
    (tmp_path / f'a{suffix}').write_bytes(content(target))
    with pytest.raises(Exception):  # noqa: B017  (which one is the readers' own matter)
        place(str(tmp_path / f'a{suffix}'))


@pytest.mark.parametrize('name', ['vocab.txt', 'tokenizer.json', 'tokenizer_config.json'])
def test_a_vocabulary_is_not_run(tmp_path, target, name):
    (tmp_path / 'vocab.txt').write_text('\n'.join(['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'dog']))
    code = dict(auto_map=dict(AutoTokenizer=['code.Tokenizer', None]), tokenizer_class='Tokenizer')
    content = json.dumps(code).encode() if name.endswith('config.json') else pickle.dumps(Payload(target))
    (tmp_path / name).write_bytes(content)
    (tmp_path / 'code.py').write_text(code_for(target))
    try:
        WordPieceTokenizer(pretrained=str(tmp_path))
    except (ValueError, OSError):
        assert not name.endswith('config.json')


def test_code_beside_a_bert_is_not_run(tmp_path, target):
    config = BertConfig(hidden_size=8, num_attention_heads=2, num_hidden_layers=1, intermediate_size=8, vocab_size=9)
    config.auto_map = dict(AutoModel='code.Model', AutoConfig='code.Config')
    save_file(BertModel(config, add_pooling_layer=False).state_dict(), tmp_path / 'model.safetensors')
    config.save_pretrained(tmp_path)
    (tmp_path / 'code.py').write_text(code_for(target))
    assert load_bert(str(tmp_path)).config.hidden_size == 8


def test_code_that_a_parquet_file_names_is_not_run(tmp_path, target):
    """CVE-2023-47248: a type of pyarrow's that was unpickled."""
    pyarrow = pytest.importorskip('pyarrow')
    from pyarrow import parquet

    metadata = {
        b'ARROW:extension:name': b'arrow.py_extension_type',
        b'ARROW:extension:metadata': pickle.dumps(Payload(target)),
    }
    field = pyarrow.field('image', pyarrow.binary(), metadata=metadata)
    parquet.write_table(pyarrow.table([[b'1']], schema=pyarrow.schema([field])), tmp_path / 'a.parquet')
    assert find_member(f'{tmp_path}/a.parquet/image/0').read() == b'1'
