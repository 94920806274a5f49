"""The report on runs of other tasks and data, and what it says of what is missing."""

import re

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from report_examples import ROOT, config, save_untrained, sections_of, write_scores

from sacl_mm.report import write_report
from sacl_mm.user_error import UserError


def test_one_run_on_image_files_whose_truth_is_not_known(tmp_path):
    """The images are there, but one is gone since the features were cached."""
    names = [str(tmp_path / f'{i}.png') for i in range(3)]
    for name in names[:2]:
        cv2.imwrite(name, np.full((40, 80, 3), 90, np.uint8))
    torch.manual_seed(0)
    features = dict(
        image_features=torch.randn(3, 6),
        text_features=torch.randn(6, 4),
        image_ids=torch.arange(3),
        text_ids=torch.arange(6),
        texts_per_image=torch.full((3,), 2),
        img_paths=names,
        texts=['a <b>', 'b', 'c', 'd', 'e', 'f'],
    )
    torch.save(features, tmp_path / 'dev.pt')
    cfg = Config.fromfile(ROOT / 'configs' / 'flickr8k' / 'frozen.py')
    cfg.val_dataloader.dataset = dict(type='CachedFeatures', ann_file=str(tmp_path / 'dev.pt'))
    cfg.model.towers.update(image_dims=6, text_dims=4)
    save_untrained(tmp_path / 'run', cfg)
    report = write_report({'one': tmp_path / 'run'}, tmp_path / 'report.html')
    text = report.path.read_text()
    assert report.lacking == dict(scores=[], retrieval=[], weights=[])
    assert sections_of(text) == ['scores', 'curves', 'weights', 'gallery', 'provenance']
    assert 'difference' not in text
    assert 'a &lt;b&gt;' in text
    assert 'Which of their negatives are false is not known' in text
    assert '<span class="no-image">Image 2.png</span>' in text
    assert 'alt="Image 0.png"' in text
    assert 'nobody knows whether it is true' in text
    assert 'also true' not in text


def test_a_test_of_another_task_has_its_scores(tmp_path):
    write_scores(tmp_path / 'test', {'vqa/accuracy': 70.0})
    report = write_report({'test': tmp_path / 'test'}, tmp_path / 'report.html')
    text = report.path.read_text()
    assert 'accuracy, %' in text
    assert 'nothing was trained here' in text
    assert report.lacking['retrieval'] == [f'test: {tmp_path}/test should have one configuration (*.py), it has 0']
    assert f'Not shown: {report.lacking["retrieval"][0]}.' in text


def test_a_test_shows_the_checkpoint_that_it_measured(work_dir, tmp_path):
    cfg = config('sacl')
    cfg.load_from = str(work_dir / 'sacl' / 'epoch_0.pth')
    cfg.test_dataloader.dataset.update(num_images=12, start=7)
    write_scores(tmp_path / 'test', {'retrieval/mAP': 30.0})
    cfg.dump(tmp_path / 'test' / 'config.py')
    report = write_report({'test': tmp_path / 'test'}, tmp_path / 'report.html')
    assert not any(report.lacking.values())
    assert 'among 12 images' in report.path.read_text()


def without_checkpoint(folder):
    (folder / 'epoch_0.pth').unlink()
    return 'epoch_0.pth.* does not exist'


def with_damaged_checkpoint(folder):
    (folder / 'epoch_0.pth').write_bytes(b'nothing')
    return 'epoch_0.pth'


def with_lost_images(folder):
    file = folder / 'config.py'
    file.write_text(
        file.read_text() + "\nval_dataloader['dataset'] = dict(type='CachedFeatures', ann_file='lost.pt')\n"
    )
    return 'lost.pt'


def with_two_configurations(folder):
    (folder / 'other.py').write_text('')
    return 'one configuration'


@pytest.mark.parametrize(
    'spoil', [without_checkpoint, with_damaged_checkpoint, with_lost_images, with_two_configurations]
)
def test_what_cannot_be_shown_is_named(tmp_path, spoil):
    save_untrained(tmp_path / 'run', config('sacl'))
    expected = spoil(tmp_path / 'run')
    report = write_report({'run': tmp_path / 'run'}, tmp_path / 'report.html')
    [reason] = report.lacking['retrieval']
    assert re.search(expected, reason)
    text = report.path.read_text()
    assert sections_of(text) == ['scores', 'curves', 'weights', 'gallery', 'provenance']
    assert 'no model could be asked' in text
    assert 'base64' not in text


def test_runs_on_different_data_share_no_gallery(work_dir, tmp_path):
    cfg = config('infonce')
    cfg.val_dataloader.dataset.start = 5
    save_untrained(tmp_path / 'other', cfg)
    report = write_report(dict(SACL=work_dir / 'sacl', other=tmp_path / 'other'), tmp_path / 'report.html')
    assert report.lacking['retrieval'] == ['other: measured on other data than SACL']
    assert report.lacking['scores'] == ['other is measured on other data than SACL: their scores do not compare']
    assert report.headline == ''


def test_nothing_to_report(tmp_path):
    with pytest.raises(UserError, match='does not exist'):
        write_report(dict(a=tmp_path / 'none'), tmp_path / 'report.html')
    with pytest.raises(UserError, match='no training or test has logged anything there'):
        write_report(dict(a=tmp_path), tmp_path / 'report.html')
    assert not (tmp_path / 'report.html').exists()
