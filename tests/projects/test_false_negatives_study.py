"""The command line of the study of false negatives, with real configurations and a real training."""

import os
import subprocess
import sys

import records
import study
from grids import SHAPE_WORLD
from runs import Grid, product


def test_the_study_finds_its_own_modules_without_pythonpath(tmp_path):
    env = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    command = [sys.executable, study.__file__, 'list', 'density']  # its configuration is of the project
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path, check=False)
    assert '48 done, 0 left' in done.stdout, done.stderr


def test_a_real_run(tmp_path, monkeypatch, capsys):
    options = {
        'train_dataloader.dataset.num_images': 64,
        'train_dataloader.batch_size': 32,
        'train_cfg.max_epochs': 1,
        'val_dataloader.dataset.num_images': 20,
    }
    tiny = Grid(product(SHAPE_WORLD, ['SACL'], {}, [0], options), weights=True)
    monkeypatch.setattr('grids.GRIDS', dict(tiny=lambda known: tiny))
    places = ['--records', str(tmp_path / 'records.jsonl'), '--work-dir', str(tmp_path / 'runs')]
    monkeypatch.setattr('sys.argv', ['study.py', 'run', 'tiny', '--dirty', *places])
    study.main()
    assert capsys.readouterr().out.endswith('1 trained, 0 failed, 1 of 1 recorded\n')
    (record,) = records.load(tmp_path / 'records.jsonl')
    assert record.label == 'SACL'
    assert len(record.curves['mi_negative']) == 1
    assert 0 < record.metrics['retrieval/mAP'] < 100
    # Of 20 images, each with the first captions of the others; the world knows which are true.
    assert {kind: len(counts) for kind, counts in record.weights.items()} == {'false negatives': 8, 'true negatives': 8}
    assert sum(map(sum, record.weights.values())) == 20 * 19
