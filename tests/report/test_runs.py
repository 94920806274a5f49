import json
import math

import pytest

from sacl_mm.report.runs import last_values, read_curves
from sacl_mm.user_error import UserError


def write(run_dir, start, lines, tail=''):
    folder = run_dir / start / 'vis_data'
    folder.mkdir(parents=True)
    (folder / 'scalars.json').write_text(''.join(json.dumps(line) + '\n' for line in lines) + tail)


def test_starts_are_joined_and_the_later_one_counts(tmp_path):
    write(
        tmp_path,
        '20260101_000000',
        [
            dict(loss=4.0, time=1.0, iter=10, step=10),
            dict(loss=3.0, iter=20, step=20),
            {'retrieval/mAP': 5.0, 'time': 9.0, 'step': 1},
            dict(loss=99.0, iter=30, step=30),  # lost with the kill: the second start repeats it
        ],
        tail='{"loss": 98.0, "it',
    )
    write(
        tmp_path,
        '20260101_000001',
        [dict(loss=2.0, iter=30, step=30), {'retrieval/mAP': 6.0, 'step': 2}, dict(loss=math.nan, iter=40, step=40)],
    )
    curves = read_curves(tmp_path)
    assert curves['loss'][:3] == [(10, 4.0), (20, 3.0), (30, 2.0)]
    assert curves['loss'][3][0] == 40
    assert math.isnan(curves['loss'][3][1])
    assert curves['retrieval/mAP'] == [(1, 5.0), (2, 6.0)]
    assert curves['time'] == [(10, 1.0)]  # of training only: the two have different abscissas


def test_bad_input(tmp_path):
    assert read_curves(tmp_path) == {}
    with pytest.raises(UserError, match='no training or test has logged'):
        last_values(tmp_path)
    write(tmp_path, '1', [], tail='nonsense\n{"loss": 1.0, "iter": 1}\n')
    with pytest.raises(UserError, match=r'scalars.json, line 1 is not JSON'):
        read_curves(tmp_path)
