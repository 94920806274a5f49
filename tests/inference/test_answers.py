"""Questions and statements about images."""

import pytest
import torch
from inferencers import FILES, TOKENIZE, load, write
from mmengine.dataset import pseudo_collate
from tiny import PIPELINE

from sacl_mm.datasets import ShapeWorldPairs, ShapeWorldQuestions


def test_answers_are_those_of_the_test_loop(tmp_path):
    pipeline = [TOKENIZE, dict(TOKENIZE, field='gt_answer', to='gt_answer_token_ids'), PIPELINE[-1]]
    options = dict(num_images=4, image_size=32, questions_per_image=2, test_mode=True)
    dataset = dict(type='ShapeWorldQuestions', **options, pipeline=pipeline)
    inferencer, model = load(tmp_path, 'VisualQuestionAnswering', batch_size=3, dataset=dataset)
    samples = [dict(sample) for sample in ShapeWorldQuestions(**options)]
    packed = list(ShapeWorldQuestions(**options, pipeline=pipeline))
    expected = model.predict(model.data_preprocessor(pseudo_collate(packed), False))
    got = inferencer.answer([s['img'] for s in samples], [s['text'][0] for s in samples], return_scores=True)
    assert [answer for answer, _ in got] == [sample.pred_answer for sample in expected]
    assert [score for _, score in got] == pytest.approx([sample.pred_score for sample in expected], abs=1e-4)
    assert len(set(got)) > 1
    paths = write(tmp_path, [s['img'] for s in samples])
    assert inferencer.answer(paths, [s['text'][0] for s in samples]) == [answer for answer, _ in got]
    with pytest.raises(ValueError, match=r'embedding needs .* DualEncoder .* is of type VisualQuestionAnswering'):
        inferencer.embed_images(paths)


@pytest.mark.parametrize('loads', [False, True])
def test_statements_about_two_images(tmp_path, loads):
    """Drawn images that are resized, and a pipeline that loads both in `ApplyToList`."""
    pipeline = [TOKENIZE, PIPELINE[-1]]
    options = dict(num_groups=2, image_size=32, test_mode=True)
    dataset = dict(type='ShapeWorldPairs', **options, pipeline=pipeline)
    if loads:
        both = dict(scatter_key='img_path', transforms=FILES[:2], collate_keys=['img'])
        dataset['pipeline'] = [dict(type='mmpretrain.ApplyToList', **both), *pipeline]
    inferencer, model = load(tmp_path, 'ImagePairReasoning', batch_size=3, dataset=dataset)
    samples = list(ShapeWorldPairs(**options))
    packed = list(ShapeWorldPairs(**options, pipeline=pipeline))
    expected = model.predict(model.data_preprocessor(pseudo_collate(packed), False))
    left, right = zip(*(sample['img'] for sample in samples), strict=True)
    statements = [sample['text'][0] for sample in samples]
    got = inferencer.is_true(write(tmp_path, left), right, statements)
    torch.testing.assert_close(got, torch.stack([sample.pred_score[1] for sample in expected]).detach())
    assert got.std() > 0.01


# ------------------------------------------------------------------------------------------------ loading
