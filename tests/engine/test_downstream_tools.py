"""The downstream tasks by the command line tools, as a user runs them: train, test, on two processes."""

import json

import pytest
import torch
from command_line import tool

TINY_TOWERS = [
    'model.towers.vision_backbone.base_channels=8',
    'model.towers.vision_backbone.stem_channels=8',
    'model.towers.neck.in_channels=64',
]
LOGGING = ['default_hooks.logger.interval=1', 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1']
CAPTIONS = [
    'train_dataloader.dataset.num_images=32',
    'train_dataloader.batch_size=16',
    'val_dataloader.dataset.num_images=11',
    'test_dataloader.dataset.num_images=11',
]
NO_VALIDATION = ['train_dataloader.dataset.num_images=32', 'train_dataloader.batch_size=16']
QUESTIONS = [
    'train_dataloader.dataset.num_images=8',
    'train_dataloader.batch_size=20',
    'val_dataloader.dataset.num_images=5',
    'test_dataloader.dataset.num_images=5',
]
PAIRS = [
    'train_dataloader.dataset.num_groups=8',
    'train_dataloader.batch_size=16',
    'val_dataloader.dataset.num_groups=3',
    'test_dataloader.dataset.num_groups=3',
]
TASKS = {
    'retrieval': (CAPTIONS, ['retrieval/TR/R@1', 'retrieval/mAP'], 'retrieval among 11 images x 55 texts'),
    'vqa': (QUESTIONS, ['vqa/accuracy'], '25 questions'),
    'nlvr2': (PAIRS, ['nlvr2/accuracy', 'nlvr2/consistency'], '12'),
}


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Backbone, pre-training, text assignment, and the three tasks, each from the one before."""
    folder = tmp_path_factory.mktemp('downstream')
    env = dict(
        BACKBONE=f'{folder}/backbone/epoch_1.pth',
        PRETRAINED=f'{folder}/pretrain/epoch_1.pth',
        ASSIGNED=f'{folder}/nlvr2_pretrain/epoch_1.pth',
    )
    backbone = [option.replace('.towers.vision_', '.') for option in TINY_TOWERS[:2]]
    backbone += ['model.head.in_channels=64', 'val_dataloader.dataset.num_images=20', *NO_VALIDATION]
    tool(
        'train.py', 'configs/shape_world/backbone.py', '--work-dir', folder / 'backbone', options=[*LOGGING, *backbone]
    )
    stages = dict(pretrain=CAPTIONS, nlvr2_pretrain=NO_VALIDATION, retrieval=CAPTIONS, vqa=QUESTIONS, nlvr2=PAIRS)
    output = {}
    for name, data in stages.items():
        options = [*TINY_TOWERS, *LOGGING[: 2 if name == 'nlvr2_pretrain' else 3], *data]
        output[name] = tool(
            'train.py', f'configs/shape_world/{name}.py', '--work-dir', folder / name, options=options, env=env
        ).stdout
    return folder, output


def measured(folder, task, checkpoint, options=(), processes=1):
    out = folder / 'metrics.json'
    arguments = [f'configs/shape_world/{task}.py', checkpoint, '--work-dir', folder, '--out', out]
    settings = [*TINY_TOWERS, *TASKS[task][0], *options]
    done = tool('test.py', *arguments, '--out-item', 'metrics', options=settings, processes=processes)
    return json.loads(out.read_text()), done.stdout


@pytest.mark.parametrize('task', TASKS)
def test_one_process_and_two_measure_the_same(trained, tmp_path, task):
    folder, output = trained
    _, names, said = TASKS[task]
    checkpoint = str(folder / task / 'epoch_1.pth')
    one, printed = measured(tmp_path, task, checkpoint)
    assert set(names) <= set(one)
    assert said in printed
    assert f'{one[names[0]]:.4f}' in output[task]  # validation at the end of training measured the same
    # An odd number of samples on two processes: the last one is given out twice and counted once.
    two, _ = measured(tmp_path, task, checkpoint, options=['test_dataloader.batch_size=3'], processes=2)
    assert two == pytest.approx(one, rel=2e-3, abs=1e-3)


def test_the_evaluation_servers_file(trained, tmp_path):
    folder, _ = trained
    server = tmp_path / 'results' / 'vqa.json'
    measured(tmp_path, 'vqa', str(folder / 'vqa/epoch_1.pth'), options=[f'test_evaluator.server_file={server}'])
    answers = json.loads(server.read_text())
    assert len(answers) == 25
    assert all(set(entry) == {'question_id', 'answer'} and isinstance(entry['answer'], str) for entry in answers)


def test_a_blind_twin_needs_one_option(trained, tmp_path):
    folder, _ = trained
    checkpoint = str(folder / 'vqa/epoch_1.pth')
    seeing, _ = measured(tmp_path, 'vqa', checkpoint)
    blind, _ = measured(tmp_path, 'vqa', checkpoint, options=['model.data_preprocessor.blind=True'])
    assert seeing.keys() == blind.keys()


@pytest.mark.parametrize(
    ('task', 'start', 'options', 'message'),
    [
        ('vqa', 'pretrain', ['model.towers.text_backbone.max_length=50'], 'of another shape'),
        ('nlvr2', 'vqa', [], 'unknown: answer_decoder.'),
        ('retrieval', 'vqa', [], 'missing: '),
        # A training may start from it with a new decoder; a test would measure random weights.
        ('vqa', 'pretrain', [], 'missing: answer_decoder.'),
    ],
)
def test_a_checkpoint_that_does_not_fit_stops_with_a_list(trained, tmp_path, task, start, options, message):
    folder, _ = trained
    start = folder / start / 'epoch_1.pth'
    data, _, _ = TASKS[task]
    done = tool(
        'test.py',
        f'configs/shape_world/{task}.py',
        start,
        '--work-dir',
        tmp_path,
        options=[*TINY_TOWERS, *data, *options],
        check=False,
    )
    assert done.returncode != 0
    assert 'does not fit the model' in done.stderr
    assert message in done.stderr
    assert 'Traceback' not in done.stderr


def test_keys_are_allowed_by_name(trained, tmp_path):
    folder, _ = trained
    state = torch.load(folder / 'retrieval/epoch_1.pth', map_location='cpu', weights_only=True)
    state['state_dict'] = {k: v for k, v in state['state_dict'].items() if not k.startswith('matching_head.')}
    state['state_dict']['another.head'] = torch.zeros(2)
    torch.save(state, tmp_path / 'partial.pth')
    allow = 'default_hooks.loading.allow=["matching_head.","another."]'
    measured(tmp_path, 'retrieval', str(tmp_path / 'partial.pth'), options=[allow])
    data, _, _ = TASKS['retrieval']
    done = tool(
        'test.py',
        'configs/shape_world/retrieval.py',
        tmp_path / 'partial.pth',
        '--work-dir',
        tmp_path,
        options=[*TINY_TOWERS, *data],
        check=False,
    )
    assert '2 missing: matching_head.classifier.bias, matching_head.classifier.weight' in done.stderr
    assert '1 unknown: another.head' in done.stderr
