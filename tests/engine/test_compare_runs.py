import json

from test_tools import tool


def test_means_over_seeds(tmp_path):
    for name, values in (('a', (1.0, 3.0)), ('b', (5.0,))):
        for seed, value in enumerate(values):
            folder = tmp_path / f'{name}{seed}' / '20260101' / 'vis_data'
            folder.mkdir(parents=True)
            lines = [dict(step=epoch, **{'retrieval/mAP': value * epoch, 'retrieval/TR/R@1': 0.0}) for epoch in (1, 2)]
            (folder / 'scalars.json').write_text('\n'.join(map(json.dumps, lines)))
    shown = tool('compare_runs.py', f'A={tmp_path}/a0,{tmp_path}/a1', f'B={tmp_path}/b0', '--metrics', 'mAP').stdout
    assert '4.00 ± 2.83' in shown
    assert '10.00' in shown
    assert 'TR/R@1' not in shown
    wrong = tool('compare_runs.py', f'A={tmp_path}/none', check=False)
    assert 'no training has logged anything there' in wrong.stderr
    assert 'Traceback' not in wrong.stderr
