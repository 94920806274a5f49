"""`tools/train.py CONFIG --data PATH`: from files to a model that searches."""

import pytest
from command_line import script, tool
from mmengine.config import Config
from own_files import write_config, write_own_data

from sacl_mm.engine.checks.config_file import config_from_file
from sacl_mm.inference import ImageTextInferencer
from sacl_mm.own_images.training import fit_to_size, use_own_data, use_policy
from sacl_mm.user_error import UserError


def test_one_command_from_a_csv_to_a_model_that_searches(tmp_path):
    data, config = write_own_data(tmp_path / 'mine'), write_config(tmp_path)
    (tmp_path / 'mine/3.jpg').write_bytes(b'broken')
    done = tool('train.py', config, '--data', data, '--work-dir', tmp_path / 'run', '--policy', 'sacl')
    assert 'images that cannot be read: 1' in done.stdout.replace('\n', ' ')
    assert '35 to train, 4 to validate' in done.stdout
    assert 'retrieval among 4 images x 4 texts' in done.stdout
    model = ImageTextInferencer(tmp_path / 'run')
    images = [str(tmp_path / f'mine/{number}.jpg') for number in (0, 1, 2, 5)]
    (hits,) = model.search(['a bright image'], images, k=3)
    assert hits[0].score >= hits[1].score >= hits[2].score
    # Resumed and repeated, the split stays, and nothing is encoded again.
    kept = sorted((tmp_path / 'features').rglob('*.safetensors'))
    tool('train.py', config, '--data', data, '--work-dir', tmp_path / 'run', '--resume')
    tool('train.py', config, '--data', data, '--work-dir', tmp_path / 'again', '--policy', 'soft_targets')
    tool('train.py', config, '--data', data, '--work-dir', tmp_path / 'weighted', '--policy', 'caption_weights')
    assert (tmp_path / 'run/data/val.txt').read_text() == (tmp_path / 'again/data/val.txt').read_text()
    assert sorted((tmp_path / 'features').rglob('*.safetensors')) == kept


@pytest.mark.parametrize(
    ('captions', 'options', 'policy'),
    [
        (2, [], 'WeightProduct'),
        (1, [], 'InfoNCE'),
        (2, ['--policy', 'hn_nce'], 'HardNegativeNCE'),
        (2, ['--cfg-options', 'model.contrastive_loss.policy.type=HardNegativeNCE'], 'HardNegativeNCE'),
        (2, ['--cfg-options', 'policy_for_several_captions=None'], 'InfoNCE'),
    ],
)
def test_the_policy_fits_the_number_of_captions_unless_one_is_named(tmp_path, captions, options, policy):
    data, config = write_own_data(tmp_path / 'mine', 12, captions), write_config(tmp_path)
    done = tool('train.py', config, '--data', data, '--work-dir', tmp_path / 'run', *options)
    assert ('several captions: --policy caption_weights' in done.stdout) == (policy == 'WeightProduct')
    assert Config.fromfile(tmp_path / 'run/own.py').model.contrastive_loss.policy.type == policy


def inheriting(folder, setting):
    (folder / 'mine.py').write_text(f"_base_ = ['{write_config(folder)}']\n{setting}\n")
    cfg = config_from_file(str(folder / 'mine.py'))
    cfg.work_dir = str(folder / 'run')
    return cfg


def test_a_policy_of_ones_own_configuration_stays(tmp_path):
    policy = "model = dict(contrastive_loss=dict(policy=dict(_delete_=True, type='HardNegativeNCE')))"
    cfg = inheriting(tmp_path, policy)
    use_own_data(cfg, str(write_own_data(tmp_path / 'mine', 12, captions=2)), choose_policy=True)
    assert cfg.model.contrastive_loss.policy.type == 'HardNegativeNCE'


def test_a_misspelt_default_is_named_before_the_images_are_read(tmp_path):
    cfg = inheriting(tmp_path, "policy_for_several_captions = 'caption_weight'")
    with pytest.raises(UserError, match="policy_for_several_captions 'caption_weight' is unknown; did you mean"):
        use_own_data(cfg, 'none.csv', choose_policy=True)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--data', 'nothing.csv'], "nothing.csv does not exist"),
        (['--data', 'README.md'], 'cannot tell the format'),
        (['--images', 'docs'], 'belong to --data'),
        ([], 'is for your own images: give --data PATH'),
        (['--policy', 'sacel'], "--policy 'sacel' is unknown; did you mean 'sacl'?"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(tmp_path, options, message):
    done = tool('train.py', write_config(tmp_path), '--work-dir', tmp_path / 'run', *options, check=False)
    assert done.returncode == 1
    assert 'Traceback' not in done.stderr
    assert message in done.stderr.splitlines()[-1]


def test_data_of_another_kind_are_refused(tmp_path):
    cfg = Config(dict(train_dataloader=dict(dataset=dict(type='ShapeWorld')), work_dir=str(tmp_path)))
    with pytest.raises(UserError, match='train_dataloader has ShapeWorld'):
        use_own_data(cfg, 'captions.csv')
    loops = Config(dict(train_dataloader=dict(batch_size=8), train_cfg=dict(type='IterBasedTrainLoop', max_iters=10)))
    with pytest.raises(UserError, match='train_cfg must be of a loop over epochs'):
        fit_to_size(loops, 100)
    with pytest.raises(UserError, match='has no contrastive_loss'):
        use_policy(Config(dict(model=dict(type='VisualQuestionAnswering'))), 'sacl')


@pytest.mark.parametrize(
    ('images', 'batch', 'epochs', 'interval'),
    [(4, 2, 60, 12), (40, 8, 24, 5), (600, 128, 30, 6), (6000, 512, 11, 3), (1_000_000, 512, 10, 2)],
)
def test_batch_and_length_fit_the_number_of_images(images, batch, epochs, interval):
    hooks = dict(checkpoint=dict(interval=1))
    loop = dict(max_epochs=10, val_interval=1)
    cfg = Config(dict(train_dataloader=dict(batch_size=512), train_cfg=loop, default_hooks=hooks))
    fit_to_size(cfg, images)
    assert (cfg.train_dataloader.batch_size, cfg.train_cfg.max_epochs) == (batch, epochs)
    assert cfg.train_cfg.val_interval == cfg.default_hooks.checkpoint.interval == interval
    cfg.default_hooks.checkpoint = None
    fit_to_size(cfg, images)
    assert cfg.default_hooks.checkpoint is None


def test_settings_on_the_command_line_win_over_what_fits(tmp_path):
    data, config = write_own_data(tmp_path / 'mine'), write_config(tmp_path)
    tool('train.py', config, '--data', data, '--work-dir', tmp_path / 'run', options=['train_cfg.max_epochs=3'])
    assert (tmp_path / 'run/epoch_3.pth').exists()
    assert not (tmp_path / 'run/epoch_4.pth').exists()


def test_two_processes_share_what_the_first_one_finds(tmp_path):
    data, config = write_own_data(tmp_path / 'mine'), write_config(tmp_path)
    options = ['train_cfg.max_epochs=2']
    done = script('dist_train.sh', config, 2, '--data', data, '--work-dir', tmp_path / 'run', options=options)
    assert done.stdout.count('36 to train, 4 to validate') == 1
    assert 'retrieval among 4 images x 4 texts' in done.stdout
    missing = script(
        'dist_train.sh', config, 2, '--data', tmp_path / 'none.csv', '--work-dir', tmp_path / 'x', check=False
    )
    assert 'none.csv does not exist' in missing.stderr
    assert 'Gloo' not in missing.stderr
