"""The report of the study of false negatives, and its figures, from made-up records."""

import math
from dataclasses import replace

import pytest
import study
from grids import SHAPE_WORLD
from PIL import Image
from plan import current
from records import Record, append, load
from report import write_report
from run_config import config_hash
from runs import Grid, Run
from style import looks
from tables import of_grid, rows

from sacl_mm.user_error import UserError

METRICS = ('retrieval/mAP', 'retrieval/R@mean')
LABELS = ('InfoNCE', 'oracle', 'SACL', 'SACL, H')


def made_up(settings, seeds=range(3), labels=LABELS, **options):
    """A grid, and a record of each of its runs."""
    runs = [
        Run(label, SHAPE_WORLD, {}, seed, None, setting) for setting in settings for label in labels for seed in seeds
    ]
    records = []
    for number, run in enumerate(runs):
        value = 20 + labels.index(run.label) + math.sin(number)
        curves = dict(iter=[8, 16], mi_positive=[1, value], mi_negative=[0, -1], mi_negative_target=[0, value / 100])
        records.append(
            Record(
                grid='g',
                label=run.label,
                setting=run.setting,
                seed=run.seed,
                hash=run.label + str(run.setting),
                commit='abc',
                dirty=run.seed == 0,
                date='now',
                cpu_seconds=30.0,
                wall_seconds=30.0,
                total_cpu_seconds=60.0,
                metrics=dict(zip(METRICS, (value, 60 - value), strict=True)),
                curves=curves,
                weights={'false negatives': [3, 2, 1, 0, 0, 0, 0, 0], 'true negatives': [0, 0, 1, 2, 9, 3, 1, 0]}
                if 'SACL' in run.label
                else {'negatives': [0, 0, 0, 0, 9, 0, 0, 0]},
            )
        )
    return Grid(runs, METRICS, **options), records


def test_a_grid_with_an_axis(tmp_path):
    batches = [dict(batch=batch, noise=noise) for noise in (0, 20) for batch in (32, 64, 256)]
    grid, records = made_up(batches, pairs=[('SACL, H', 'InfoNCE')], frontier=METRICS[::-1], weights=True)
    written = write_report('g', grid, records, tmp_path)
    names = {
        'g.md',
        'g.csv',
        *(f'g_{kind}.png' for kind in ('gain', 'dots', 'frontier', 'curves', 'weights', 'SACL_H_and_InfoNCE')),
    }
    assert {path.name for path in written} == {path.name for path in tmp_path.iterdir()} == names
    for path in tmp_path.glob('*.png'):
        assert path.stat().st_size <= 100_000
        with Image.open(path) as image:
            assert len(image.convert('L').getcolors()) > 2, path  # more than a background
    text = (tmp_path / 'g.md').read_text()
    assert text.startswith(
        '# g\n\n72 of 72 runs, 36 CPU minutes; commits abc, abc* (* with changes that were not committed).'
    )
    assert '| 256 | 20 | SACL, H - InfoNCE | ' in text
    for name in names - {'g.md', 'g.csv'}:
        assert f'({name})' in text


def test_a_grid_of_a_single_setting_and_seed(tmp_path):
    grid, records = made_up([{}], seeds=[0], frontier=('other', METRICS[0]))
    for record in records:
        record.metrics['other'] = 5.0  # in the figure only
    names = {path.name for path in write_report('g', grid, records, tmp_path)}
    assert names == {'g.md', 'g.csv', 'g_dots.png', 'g_frontier.png'}
    assert '| SACL | 1 | 2' in (tmp_path / 'g.md').read_text()


def test_a_grid_that_is_half_done(tmp_path):
    grid, records = made_up([dict(noise=name) for name in ('none', 'much')])
    half = [record for record in records if record.label != 'InfoNCE']  # nothing to compare with
    assert {path.name for path in write_report('g', grid, half, tmp_path)} == {'g.md', 'g.csv'}
    assert 'Nothing is recorded that could be compared with InfoNCE.' in (tmp_path / 'g.md').read_text()
    assert write_report('g', grid, [], tmp_path / 'none') == []
    assert not (tmp_path / 'none').exists()


def test_a_misspelt_measure(tmp_path):
    grid, records = made_up([{}])
    wrong = Grid(grid.runs, ('retrieval/mAPP',))
    with pytest.raises(
        UserError, match="grid 'g': no record has the measure 'retrieval/mAPP'; did you mean 'retrieval/mAP'"
    ):
        write_report('g', wrong, records, tmp_path)


def test_every_policy_has_a_look_of_its_own():
    found = looks(map(str, range(20))).values()
    assert len({(look.colour, look.line, look.marker) for look in found}) == 20
    assert len({(look.line, look.marker) for look in found}) >= 10  # without colours


def test_rows_of_records_that_were_written_and_read(tmp_path):
    grid, records = made_up([dict(alpha=(1.0, 0.0))])
    append(tmp_path / 'r.jsonl', records)
    known = load(tmp_path / 'r.jsonl')
    assert rows(grid, of_grid('g', grid, known)) == rows(grid, records)


def test_the_command(tmp_path, monkeypatch, capsys):
    grid, records = made_up([dict(batch=batch) for batch in (32, 64)])
    monkeypatch.setattr('grids.GRIDS', dict(g=lambda known: grid, empty=lambda known: grid))
    monkeypatch.setattr('plan.current', lambda name, grid, known: known)  # the hashes are made up
    file, out = tmp_path / 'r.jsonl', tmp_path / 'out'

    def report(*names):
        monkeypatch.setattr('sys.argv', ['study.py', 'report', *names, '--records', str(file), '--out', str(out)])
        study.main()
        return capsys.readouterr().out

    with pytest.raises(SystemExit, match='error: no grid has records in .*: study.py run GRID'):
        report()
    append(file, records)
    append(file, made_up([{}])[1][:1])
    assert report().startswith('g: g.md, g.csv, g_gain.png')
    assert 'empty: nothing is recorded yet' in report('empty')
    monkeypatch.setattr('grids.GRIDS', dict(h=lambda known: grid))
    assert "'g' has records, but is not in grids.py any more: left out" in report('h')
    with pytest.raises(SystemExit, match="error: grid 'hh' does not exist; did you mean 'h'"):
        report('hh')


def test_records_of_other_configurations_are_left_out():
    """They have the same name, but were made before it changed."""
    run = Run('InfoNCE', SHAPE_WORLD, {'train_cfg.max_epochs': 2}, 0)
    grid, records = Grid([run], METRICS), made_up([{}], seeds=[0], labels=['InfoNCE'])[1]
    new = replace(records[0], hash=config_hash(run, None))
    assert current('g', grid, [*records, new]) == [new]
