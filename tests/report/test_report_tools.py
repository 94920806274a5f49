"""The tools that write a report."""

import importlib.util
import json

import pytest
from report_examples import ROOT, write_scores


def tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / 'tools' / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_report_tool(tmp_path, monkeypatch, capsys):
    from sacl_mm.engine.launch import run_tool

    report = tool('report')
    folders = [tmp_path / 'a' / 'run', tmp_path / 'b' / 'run', tmp_path / 'c']
    for number, folder in enumerate(folders):
        write_scores(folder, {'vqa/accuracy': 70.0 + number})
    out = tmp_path / 'page.html'
    monkeypatch.setattr('sys.argv', ['report.py', *map(str, folders), '--out', str(out)])
    report.main()
    printed = capsys.readouterr().out
    assert 'not shown in retrieval: c: ' in printed
    assert f'Report: {out}' in printed
    assert list(json.loads((tmp_path / 'page.json').read_text())['scores']) == [str(folders[0]), str(folders[1]), 'c']
    for arguments, message in (
        ([str(tmp_path / 'none')], f"error: work dir '{tmp_path}/none' does not exist"),
        ([str(folders[0]), '--out', str(tmp_path / 'page')], f"error: --out '{tmp_path}/page' must end in .html"),
    ):
        monkeypatch.setattr('sys.argv', ['report.py', *arguments])
        with pytest.raises(SystemExit) as end:
            run_tool(report.main)
        assert end.value.code == message


def test_demo_does_not_continue_another_training(work_dir, monkeypatch):
    monkeypatch.chdir(ROOT)
    demo = tool('demo')
    with pytest.raises(SystemExit, match=r'infonce holds a training with other settings \(val_dataloader\)'):
        demo.plan(work_dir, epochs=None, seed=None)
    with pytest.raises(SystemExit, match='randomness'):
        demo.plan(work_dir, epochs=None, seed=5)
    fresh = demo.plan(work_dir / 'new', epochs=3, seed=5)
    assert [training.cfg.train_cfg.max_epochs for training in fresh] == [3, 3]
    assert fresh[1].arguments[:4] == [
        'tools/train.py',
        'configs/shape_world/sacl.py',
        '--work-dir',
        f'{work_dir}/new/sacl',
    ]
    assert fresh[0].arguments[-2:] == ['randomness.seed=5', 'train_cfg.max_epochs=3']
    reference = f'{work_dir}/new/infonce/epoch_3.pth'
    assert fresh[1].arguments[-1] == f'model.reference_checkpoint={reference}'
    assert fresh[1].cfg.model.reference_checkpoint == reference
    assert fresh[0].epochs_done == 0


def test_demo_reports_alone(work_dir, monkeypatch, capsys):
    demo = tool('demo')
    (work_dir / 'trainings.json').write_text(json.dumps(dict(sacl=dict(command='python train.py', seconds=12.0))))
    monkeypatch.setattr('sys.argv', ['demo.py', '--report-only', '--work-dir', str(work_dir)])
    demo.main()
    out = capsys.readouterr().out
    assert 'SACL is ahead of InfoNCE on none of 3 measures, level on 3 and behind on none' in ' '.join(out.split())
    assert f'Report: {work_dir}/report.html' in out
    assert json.loads((work_dir / 'report.json').read_text())['runs']['SACL']['training time'] == '12 s'
    monkeypatch.setattr('sys.argv', ['demo.py', '--report-only', '--seed', '1'])
    with pytest.raises(SystemExit):
        demo.main()
