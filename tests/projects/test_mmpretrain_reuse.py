"""mmpretrain's own command line tools run its models with our parts in them."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from command_line import ROOT, anew, tool

from sacl_mm.compatibility import mmpretrain_multimodal_models_load

PROJECT = ROOT / 'projects/mmpretrain_reuse'
# Found without importing mmpretrain.
TOOLS = Path(importlib.util.find_spec('mmpretrain').origin).parent / '.mim/tools'
SHORT = ['train_cfg.max_epochs=1', 'default_hooks.logger.interval=1']


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('mmpretrain') / 'data'
    tool(PROJECT / 'make_data.py', folder, '--train', '16', '--val', '12')
    return folder


def train(config, work_dir, *options, **variables):
    """Two iterations; the losses and, where the config evaluates, the metrics."""
    tool(
        TOOLS / 'train.py',
        PROJECT / 'configs' / config,
        '--work-dir',
        work_dir,
        options=[*SHORT, *options],
        env=variables,
    )
    (log,) = work_dir.glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    steps = [line for line in lines if 'loss' in line]
    assert len(steps) == 2
    return steps, lines[-1]


def metrics_of_test(config, work_dir, *options, **variables):
    out = work_dir / 'metrics.json'
    checkpoint = work_dir / 'epoch_1.pth'
    arguments = [TOOLS / 'test.py', PROJECT / 'configs' / config, checkpoint, '--work-dir', work_dir, '--out', out]
    tool(*arguments, '--out-item', 'metrics', options=options, env=variables)
    return json.loads(out.read_text())


def test_the_configurations_import_what_they_name():
    """In a new process; the trainings below are forked from one that knows our parts already."""
    code = """
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
init_default_scope('mmpretrain')
for name in ('mocov3_sacl', 'classifier'):
    cfg = Config.fromfile(f'projects/mmpretrain_reuse/configs/{name}.py')
    print(type(MODELS.build(cfg.model)).__name__)
"""
    assert anew(sys.executable, '-c', code).stdout.split()[-2:] == ['MoCoV3', 'ImageClassifier']


@pytest.mark.skipif(not mmpretrain_multimodal_models_load(), reason="mmpretrain's BLIP needs transformers <= 4.51")
def test_blip_trains_with_our_loss_and_is_measured_by_our_metric(data, tmp_path):
    options = ['model.topk=8']
    # 80 captions; a queue that the batch does not divide.
    training = ['train_dataloader.batch_size=40', 'model.head.queue_size=100']
    steps, validation = train('blip_sacl.py', tmp_path, *options, *training, DATA=str(data))
    assert all(step['itc_loss'] > 0 and step['itm_loss'] > 0 for step in steps)
    assert steps[0]['temperature'] != steps[1]['temperature']  # learned
    tested = metrics_of_test('blip_sacl.py', tmp_path, *options, 'model.head.queue_size=100', DATA=str(data))
    names = [f'{way}/ranking/{name}' for way in ('i2t', 't2i') for name in ('R@1', 'R@5', 'R@10', 'mAP')]
    assert set(tested) == set(names)
    assert tested == pytest.approx({name: validation[name] for name in names}, rel=1e-5)


def test_two_views_then_a_classifier_with_our_neck_and_metric(data, tmp_path):
    sizes = ['train_dataloader.dataset.num_images=32', 'train_dataloader.batch_size=16']
    train('mocov3_sacl.py', tmp_path / 'views', *sizes)
    variables = dict(DATA=str(data), BACKBONE=str(tmp_path / 'views/epoch_1.pth'))
    work_dir = tmp_path / 'classifier'
    _, validation = train('classifier.py', work_dir, 'train_dataloader.batch_size=8', **variables)
    tested = metrics_of_test('classifier.py', work_dir, **variables)
    assert tested['ranking/R@1'] == pytest.approx(tested['accuracy/top1'])  # mmpretrain's own measure of the same
    assert tested == pytest.approx({name: validation[name] for name in tested}, rel=1e-5)
