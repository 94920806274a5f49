import json

import pytest
from command_line import tool

from sacl_mm.report.runs import last_values
from sacl_mm.user_error import UserError


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
    unlike, begun = (tmp_path / name / '20260101' / 'vis_data' / 'scalars.json' for name in ('unlike', 'begun'))
    for file, content in ((unlike, {'vqa/accuracy': 5.0, 'step': 4}), (begun, {'loss': 5.0, 'step': 4})):
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(content))
    for name, message in (
        ('none', f"work dir '{tmp_path}/none' does not exist"),
        ('begun', f'the training in {tmp_path}/begun has not been validated yet'),
        ('unlike', 'these runs have no measure in common'),
    ):
        wrong = tool('compare_runs.py', f'A={tmp_path}/a0', f'B={tmp_path}/{name}', check=False)
        assert message in wrong.stderr
        assert 'Traceback' not in wrong.stderr


def test_the_last_test_counts_where_nothing_was_trained(tmp_path):
    for start, value in (('20260101', 1.0), ('20260102', 2.0)):
        (tmp_path / start / 'vis_data').mkdir(parents=True)
        (tmp_path / start / f'{start}.json').write_text(json.dumps({'vqa/accuracy': value, 'time': 3.0}))
        (tmp_path / start / 'other.json').write_text('{}')
    assert last_values(tmp_path) == {'vqa/accuracy': 2.0}
    (tmp_path / '20260101' / 'vis_data' / 'scalars.json').write_text('{"vqa/accuracy": 5.0, "step": 4}')
    assert last_values(tmp_path) == {'vqa/accuracy': 5.0}


def test_a_test_that_was_cut_off(tmp_path):
    (tmp_path / '20260101').mkdir()
    (tmp_path / '20260101' / '20260101.json').write_text('{"vqa/acc')
    with pytest.raises(UserError, match=r'20260101/20260101.json is not JSON'):
        last_values(tmp_path)
