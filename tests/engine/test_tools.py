"""The command line tools, run as a user runs them, on a tiny embedded world."""

import json
import signal
import sys
from pathlib import Path

import pytest
import torch
from command_line import anew, in_process, script, started, tool
from mmengine.utils import digit_version

SMALL = [
    'model.towers.vision_backbone.base_channels=8',
    'model.towers.vision_backbone.stem_channels=8',
    'model.towers.neck.in_channels=64',
    'train_dataloader.dataset.num_images=48',
    'train_dataloader.batch_size=16',
    'val_dataloader.dataset.num_images=20',
    'test_dataloader.dataset.num_images=20',
    'train_cfg.max_epochs=3',
    'train_cfg.val_interval=3',
    'default_hooks.logger.interval=1',
]
QUEUE = ['model.queue_size=40']


def state(path):
    return torch.load(path, map_location='cpu', weights_only=True)['state_dict']


def losses(work_dir):
    (file,) = Path(work_dir).glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [
        {k: line[k] for k in ('loss', 'loss_itc', 'loss_itm', 'loss_mlm', 'grad_norm')}
        for line in lines
        if 'loss' in line
    ]


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """A reference model, and the full recipe trained without interruption."""
    folder = tmp_path_factory.mktemp('runs')
    reference = folder / 'reference'
    tool(
        'train.py',
        'configs/shape_world/infonce.py',
        '--work-dir',
        reference,
        options=[*SMALL, 'train_cfg.max_epochs=1'],
    )
    options = [*SMALL, *QUEUE, f'model.reference_checkpoint={reference}/epoch_1.pth']
    tool('train.py', 'configs/shape_world/full.py', '--work-dir', folder / 'whole', options=options)
    return folder, options


def test_checkpoints_are_data(runs):
    folder, _ = runs
    checkpoint = torch.load(folder / 'whole' / 'epoch_3.pth', map_location='cpu', weights_only=True)
    assert {'state_dict', 'optimizer', 'param_schedulers', 'message_hub', 'meta'} <= set(checkpoint)
    assert 'queue.position' in checkpoint['state_dict']
    frozen = [name for name in checkpoint['state_dict'] if name.startswith(('teacher', 'reference'))]
    trained = len(checkpoint['state_dict']) - len(frozen)
    assert len(checkpoint['optimizer']['state']) < trained


def test_killed_and_resumed_equals_uninterrupted(runs, tmp_path):
    folder, options = runs
    work_dir = tmp_path / 'killed'
    killed = started('train.py', 'configs/shape_world/full.py', '--work-dir', work_dir, options=options)
    killed.wait_for('Epoch(train) [2][2/3]')  # in the middle of the second epoch
    killed.process.kill()
    assert killed.end().returncode == -signal.SIGKILL
    assert not (work_dir / 'epoch_2.pth').exists()
    # With another number of workers: who loads a sample must not matter either.
    workers = ['train_dataloader.num_workers=2', 'train_dataloader.persistent_workers=True']
    tool('train.py', 'configs/shape_world/full.py', '--work-dir', work_dir, '--resume', options=[*options, *workers])
    expected, resumed = state(folder / 'whole' / 'epoch_3.pth'), state(work_dir / 'epoch_3.pth')
    assert expected.keys() == resumed.keys()
    different = [name for name, value in expected.items() if not torch.equal(value, resumed[name])]
    assert not different


def test_a_resumed_training_keeps_its_queue_or_stops(runs, tmp_path):
    folder, options = runs
    checkpoint = folder / 'whole' / 'epoch_3.pth'
    changed = [*options, 'model.queue_size=32', 'train_cfg.max_epochs=4']
    arguments = ['configs/shape_world/full.py', '--work-dir', tmp_path, '--resume', checkpoint]
    done = tool('train.py', *arguments, options=changed, check=False)
    assert done.returncode != 0
    assert 'its checkpoint lacks queue.image' in done.stderr
    assert 'Traceback' not in done.stderr


def test_a_compiled_training_has_the_same_curve(runs, tmp_path):
    folder, options = runs
    # The one that takes gradients, too, is in test_compilation.py.
    options = [*options, 'compile.backend=eager']
    done = tool('train.py', 'configs/shape_world/full.py', '--work-dir', tmp_path, options=options)
    assert 'layers are compiled' in done.stdout
    for line, expected in zip(losses(tmp_path), losses(folder / 'whole'), strict=True):
        assert line == pytest.approx(expected, rel=1e-4)


def test_two_processes_give_the_curve_of_one(runs, tmp_path):
    folder, options = runs
    half = [*options, 'train_dataloader.batch_size=8']
    script('dist_train.sh', 'configs/shape_world/full.py', 2, '--work-dir', tmp_path, options=half)
    expected, distributed = losses(folder / 'whole'), losses(tmp_path)
    assert len(expected) == len(distributed) == 9
    for one, two in zip(expected, distributed, strict=True):
        assert two == pytest.approx(one, rel=2e-3)


@pytest.mark.skipif(digit_version(torch.__version__) < digit_version('2.7'), reason='needs PyTorch 2.7')
def test_sharded_processes_give_the_curve_and_the_checkpoints_of_one(runs, tmp_path):
    folder, options = runs
    sharded, unsharded = tmp_path / 'sharded', tmp_path / 'unsharded'
    changed = [*options, 'shard=True', 'train_dataloader.batch_size=8']
    tool('train.py', 'configs/shape_world/full.py', '--work-dir', sharded, options=changed, processes=2)
    expected = losses(folder / 'whole')
    for one, two in zip(expected, losses(sharded), strict=True):
        assert two == pytest.approx(one, rel=2e-3)
    plain, checkpoint = (
        torch.load(path / 'epoch_3.pth', map_location='cpu', weights_only=True) for path in (folder / 'whole', sharded)
    )
    assert plain.keys() == checkpoint.keys()
    assert plain['optimizer']['param_groups'] == checkpoint['optimizer']['param_groups']
    for number, values in plain['optimizer']['state'].items():
        shapes = {name: value.shape for name, value in values.items()}
        assert shapes == {name: value.shape for name, value in checkpoint['optimizer']['state'][number].items()}
    arguments = ['configs/shape_world/full.py', '--work-dir', unsharded, '--resume', sharded / 'epoch_2.pth']
    tool('train.py', *arguments, options=options)
    for one, other in zip(expected[6:], losses(unsharded), strict=True):
        assert other == pytest.approx(one, rel=2e-3)


def test_testing_a_checkpoint_prints_the_table_and_writes_metrics(runs, tmp_path):
    folder, options = runs
    out = tmp_path / 'metrics.json'
    config, checkpoint = 'configs/shape_world/full.py', folder / 'whole' / 'epoch_3.pth'
    done = tool(
        'test.py', config, checkpoint, '--work-dir', tmp_path, '--out', out, '--out-item', 'metrics', options=options
    )
    assert 'retrieval among 20 images x 100 texts; protocol: dual encoder, cosine, no re-ranking' in done.stdout
    metrics = json.loads(out.read_text())
    assert 0 <= metrics['retrieval/mAP'] <= 100
    # The validation at the end of training measured the same thing.
    (log,) = (folder / 'whole').glob('*/vis_data/scalars.json')
    validation = [json.loads(line) for line in log.read_text().splitlines()][-1]
    for name in ('retrieval/mAP', 'retrieval/TR/R@5', 'retrieval/IR/false_negative_rank'):
        assert metrics[name] == pytest.approx(validation[name], rel=1e-6)
    tool('test.py', config, checkpoint, '--work-dir', tmp_path, '--out', tmp_path / 'predictions.json', options=options)
    predictions = json.loads((tmp_path / 'predictions.json').read_text())
    assert [prediction['image_id'] for prediction in predictions[:2]] == [1_000_000, 1_000_001]
    twice = tmp_path / 'two'
    arguments = [config, checkpoint, 2, '--work-dir', twice, '--out', twice / 'm.json', '--out-item', 'metrics']
    script('dist_test.sh', *arguments, options=[*options, 'test_dataloader.batch_size=3'])
    # Features differ in the last bits with the batch's shape, which may swap two near ties.
    assert json.loads((twice / 'm.json').read_text()) == pytest.approx(metrics, rel=2e-3)


@pytest.mark.parametrize(
    ('arguments', 'options', 'message'),
    [
        (['configs/sacl/none.py'], [], "configuration 'configs/sacl/none.py' does not exist"),
        (
            ['configs/shape_world/sacl.py', '--resume', 'none.pth'],
            [],
            "checkpoint (--resume) 'none.pth' does not exist",
        ),
        (['configs/shape_world/sacl.py', '--resume', 'README.md'], [], "(--resume) 'README.md' cannot be read as data"),
        (['configs/shape_world/sacl.py'], ['train_dataloder.batch_size=2'], "did you mean 'train_dataloader'?"),
        (['configs/shape_world/sacl.py'], ['train_dataloader.workers=1'], "did you mean 'num_workers'?"),
        (
            ['configs/shape_world/sacl.py'],
            ['model.towrs.embed_dims=2'],
            "'model' has no 'towrs'; did you mean 'towers'?",
        ),
        (['configs/shape_world/sacl.py', '--auto-scale-lr'], [], 'needs auto_scale_lr=dict(base_batch_size'),
        (['configs/flickr8k/frozen.py'], ['feature_cache=3'], 'feature_cache'),
        (['configs/shape_world/sacl.py'], ['model.reference_checkpoint=none.pth'], 'train it first'),
        (['configs/shape_world/sacl.py'], ['model.reference_checkpoint=README.md'], 'cannot be read as data'),
        (['configs/shape_world/sacl.py'], ['load_from=README.md'], "(load_from) 'README.md' cannot be read as data"),
        (
            ['configs/shape_world/sacl.py'],
            ['model.towers.neck.type=TokenReductionNeck', 'model.towers.neck.keep_rat=0.7'],
            "'TokenReductionNeck' an argument 'keep_rat', which it does not have; did you mean 'keep_rate'?",
        ),
        (
            ['configs/shape_world/sacl.py'],
            ['train_dataloader.dataset.type=ShapeWorldPears'],
            "'ShapeWorldPears' is not in the registry of datasets; did you mean 'ShapeWorldPairs'?",
        ),
        (
            ['configs/shape_world/sacl.py'],
            ['optim_wrapper.optimizer.type=AdamWW'],
            "'AdamWW' is not in the registry of optimizers; did you mean 'AdamW'?",
        ),
        (['configs/shape_world/infonce.py'], ['compile=yes'], 'compile must be True, False or a dict'),
    ],
)
def test_mistakes_stop_at_once_with_one_clear_line(arguments, options, message, tmp_path, monkeypatch):
    """In this process, where a traceback would be another exception; the next test is for the command."""
    if 'shape_world' in arguments[0]:
        options = [*SMALL, *options]
    with pytest.raises(SystemExit) as end:
        in_process(monkeypatch, 'train', *arguments, '--work-dir', tmp_path, options=options)
    assert message in str(end.value.code)


def test_a_mistake_ends_the_command_with_one_clear_line(tmp_path):
    arguments = ['configs/shape_world/sacl.py', '--work-dir', tmp_path]
    done = tool('train.py', *arguments, options=[*SMALL, 'model.reference_checkpoint=none.pth'], check=False)
    assert done.returncode == 1
    assert 'train it first' in done.stderr
    assert 'Traceback' not in done.stderr


@pytest.mark.parametrize('name', ['train.py', 'test.py'])
@pytest.mark.parametrize(
    ('arguments', 'code', 'message'),
    [
        (['--help'], 0, '--cfg-options'),
        (['none.py', 'none.pth'], 1, "error: configuration 'none.py' does not exist"),
        (['configs/shape_world/sacl.py', 'none.pth', '--cfg-options', 'model'], 2, "'model' is not key=value"),
    ],
)
def test_help_and_misspelt_commands_need_no_libraries(name, arguments, code, message):
    """As a user calls it, where PyTorch cannot be imported: to import it takes seconds."""
    run = "import runpy, sys; sys.modules['torch'] = None; runpy.run_path(sys.argv[0], run_name='__main__')"
    run = f'import sys; sys.argv = sys.argv[1:]; {run}'
    if name == 'train.py':
        arguments = [argument for argument in arguments if argument != 'none.pth']
    done = anew(sys.executable, '-c', run, f'tools/{name}', *arguments, check=False)
    assert done.returncode == code, done.stderr
    assert message in done.stdout + done.stderr
    assert 'Traceback' not in done.stderr
