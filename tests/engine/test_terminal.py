"""What a run shows on the terminal, and what its log file has besides."""

import warnings

from command_line import tool
from mmengine.logging import MMLogger

from sacl_mm.engine.terminal import show_essentials, silence_libraries

LINES_BEFORE_THE_FIRST_STEP = 30
OPTIONS = [
    'train_dataloader.dataset.num_images=8',
    'train_dataloader.batch_size=4',
    'train_dataloader.num_workers=0',
    'train_cfg.max_epochs=1',
    'val_cfg=None',
    'val_dataloader=None',
    'val_evaluator=None',
    'default_hooks.logger.interval=1',
]


def test_a_training_begins_within_a_screen_and_its_log_has_the_rest(tmp_path):
    done = tool('train.py', 'configs/shape_world/infonce.py', '--work-dir', tmp_path, options=OPTIONS)
    before, _, after = done.stdout.partition('Epoch(train)')
    assert 'loss' in after
    assert before.count('\n') <= LINES_BEFORE_THE_FIRST_STEP
    [log] = tmp_path.glob('*/*.log')
    assert str(log) in before
    for kept in ('System environment:', 'contrastive_loss', 'Hooks will be executed', 'paramwise_options -- '):
        assert kept in log.read_text()
        assert kept not in done.stdout
    assert done.stderr == ''


def test_all_is_shown_if_wanted_and_where_there_is_no_file(tmp_path, capsys):
    short = show_essentials(MMLogger('short', log_file=str(tmp_path / 'a')))
    short.info('Config:\nhidden = 1')
    short.warning('hidden.key is duplicate. It is skipped since bypass_duplicate=True')
    short.warning('a warning')
    show_essentials(MMLogger('debug', log_file=str(tmp_path / 'b'), log_level='DEBUG')).info('Config:\ndebug = 1')
    show_essentials(MMLogger('no file')).info('Config:\nno_file = 1')
    shown = capsys.readouterr().out
    assert [name in shown for name in ('hidden', 'debug', 'no_file')] == [False, True, True]
    assert 'a warning' in shown
    assert 'hidden = 1' in (tmp_path / 'a').read_text()


def test_warnings_of_libraries_about_themselves_are_not_shown_and_others_are():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        silence_libraries()
        for module in ('mmengine.utils', 'mine'):
            warnings.warn_explicit('pkg_resources is deprecated as an API', UserWarning, 'file.py', 1, module)
        warnings.warn_explicit('something else', UserWarning, 'file.py', 1, 'mmengine.utils')
    assert [str(warning.message)[:13] for warning in caught] == ['pkg_resources', 'something els']
