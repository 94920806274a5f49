"""The weights in models/ do what README and docs/results.md say, on few samples."""

import pytest
import torch
from command_line import ROOT

from sacl_mm.datasets import ShapeWorldPairs, ShapeWorldQuestions
from sacl_mm.datasets.shape_world import render_scene, scene_of
from sacl_mm.inference import ImageTextInferencer

MODELS = ROOT / 'models/shape_world'
FORBIDDEN = ('/tmp', '/home', '/root')


def test_retrieval_finds_red_stars():
    model = ImageTextInferencer(MODELS / 'retrieval', device='cpu')
    images = [render_scene(scene_of(7, number), 64) for number in range(100)]
    (hits,) = model.search(['a red star'], images, k=3)
    true = [any((o.colour, o.shape) == ('red', 'star') for o in scene_of(7, hit.index).objects) for hit in hits]
    assert sum(true) >= 2


def test_questions_are_answered_better_than_by_guessing():
    model = ImageTextInferencer(MODELS / 'vqa', device='cpu')
    world = ShapeWorldQuestions(num_images=25, image_size=64, seed=99, test_mode=True)
    samples = [world[number] for number in range(100)]
    answers = model.answer([sample['img'] for sample in samples], [sample['text'][0] for sample in samples])
    right = sum(answer in sample['gt_answer'] for answer, sample in zip(answers, samples, strict=True))
    assert right > 50


def test_statements_are_judged_better_than_by_guessing():
    model = ImageTextInferencer(MODELS / 'nlvr2', device='cpu')
    world = ShapeWorldPairs(num_groups=25, image_size=64, seed=99, test_mode=True)
    samples = [world[number] for number in range(100)]
    left, right = zip(*(sample['img'] for sample in samples), strict=True)
    says = model.is_true(left, right, [sample['text'][0] for sample in samples]) > 0.5
    assert (says == torch.tensor([bool(sample['gt_label']) for sample in samples])).float().mean() > 0.65


@pytest.mark.parametrize('path', sorted(MODELS.glob('*/*.py')), ids=lambda path: path.stem)
def test_their_configurations_name_no_files_of_the_machine_that_made_them(path):
    assert not any(name in path.read_text() for name in FORBIDDEN)
