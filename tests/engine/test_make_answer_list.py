"""`tools/make_answer_list.py` on VQAv2's and Visual Genome's files."""

import copy
import json

import pytest
from command_line import tool
from question_examples import VISUAL_GENOME, vqa_v2_annotations, vqa_v2_questions


@pytest.fixture
def config(tmp_path):
    """Three questions whose answers are 4, yes and table, and two of Visual Genome, both green."""
    genome = copy.deepcopy(VISUAL_GENOME)
    for entry in genome[0]['qas']:
        entry['answer'] = 'Green.'
    files = dict(questions=vqa_v2_questions(), annotations=vqa_v2_annotations(), genome=genome)
    for name, content in files.items():
        (tmp_path / f'{name}.json').write_text(json.dumps(content))
    for name in ('COCO_train2014_000000000009', 'COCO_train2014_000000262144', *(str(image['id']) for image in genome)):
        (tmp_path / f'{name}.jpg').write_bytes(b'')
    common = dict(type='VisualQuestions', data_root=str(tmp_path), pipeline=[])
    datasets = [
        dict(common, ann_file='questions.json', answer_file='annotations.json', data_prefix=dict(img_path='')),
        dict(common, ann_file='genome.json', data_prefix=dict(img_path='')),
    ]
    path = tmp_path / 'config.py'
    path.write_text(f"train_dataloader = dict(dataset=dict(type='ConcatDataset', datasets={datasets!r}))")
    return path


def test_a_question_counts_once(config, tmp_path):
    out = tmp_path / 'new' / 'answers.json'
    done = tool('make_answer_list.py', config, out, '--at-least', '1')
    assert sorted(json.loads(out.read_text())) == ['4', 'table', 'yes']
    assert '3 of 3 answers, those of 100.0 % of the questions' in done.stdout


def test_too_much_is_asked(config, tmp_path):
    done = tool('make_answer_list.py', config, tmp_path / 'answers.json', check=False)
    assert done.returncode != 0
    assert "error: no answer is that of 9 questions; the most frequent, '4', of 1" in done.stderr
    assert 'Traceback' not in done.stderr
