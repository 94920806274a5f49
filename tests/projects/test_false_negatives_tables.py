"""Statistics and tables of the study of false negatives."""

import csv
import math
import statistics

import numpy as np
import pytest
from markdown_tables import comparisons_table, differences_table, means_table, name_of
from records import Record
from runs import Grid, Run
from scipy.stats import ttest_1samp
from tables import Difference, comparisons, difference, mean, of_grid, rows, share_of_oracle, write_csv
from tuning import tuned_options

from sacl_mm.user_error import UserError

MAP, RECALL = 'retrieval/mAP', 'retrieval/R@mean'
LABELS = ('InfoNCE', 'oracle', 'SACL')


def record(label, seed, value, setting, **changes):
    values = dict(
        grid='g',
        label=label,
        setting=setting,
        seed=seed,
        hash=label,
        commit='c',
        dirty=False,
        date='now',
        cpu_seconds=60.0,
        wall_seconds=61.0,
        total_cpu_seconds=120.0 if label == 'SACL' else 60.0,
        metrics={MAP: value, RECALL: 50 - value},
    )
    return Record(**{**values, **changes})


def grid(**options):
    runs = [Run(label, 'c', {}, seed, None, dict(batch=b)) for b in (32, 64) for label in LABELS for seed in range(4)]
    return Grid(runs, metrics=(MAP, RECALL), **options)


@pytest.fixture
def records():
    draw = np.random.default_rng(0)
    luck = draw.normal(size=4)
    gains = dict(InfoNCE=0.0, oracle=4.0, SACL=1.0)
    return [
        record(label, seed, 20 + gains[label] + luck[seed] + draw.normal(scale=0.2), dict(batch=batch))
        for batch in (32, 64)
        for label in LABELS
        for seed in range(4)
    ]


def test_what_others_start_from_is_not_compared_with_them(records):
    runs = [run for run in grid().runs if run.label != 'SACL']
    runs += [Run('SACL', 'c', {}, seed, 'oracle', dict(batch=batch)) for batch in (32, 64) for seed in range(4)]
    found = {row.label: row for row in rows(Grid(runs, metrics=(MAP, RECALL)), records)}
    assert found['oracle'].means[MAP] is not None
    assert found['oracle'].differences == {MAP: None, RECALL: None}
    assert found['SACL'].differences[MAP].n == 4


def test_mean_and_standard_deviation():
    assert mean([]) is None
    found = mean([1.0, 2.0, 4.0])
    assert (found.value, found.n) == (pytest.approx(7 / 3), 3)
    assert found.deviation == pytest.approx(np.std([1, 2, 4], ddof=1))
    assert math.isnan(mean([1.0]).deviation)


def test_paired_differences_are_scipys_test_of_the_differences():
    draw = np.random.default_rng(1)
    for n in (2, 3, 8):
        ours, base = (dict(enumerate(draw.normal(size=n))) for _ in range(2))
        found = difference({**ours, 99: 5.0}, {**base, 98: 7.0})  # only common seeds count
        differences = [ours[seed] - base[seed] for seed in range(n)]
        test = ttest_1samp(differences, 0)
        assert found.p == pytest.approx(test.pvalue)
        assert found.value / found.error == pytest.approx(test.statistic)
        assert found.error == pytest.approx(statistics.stdev(differences) / n**0.5)
        assert found.n == n


def test_differences_without_spread_have_no_p():
    assert difference({0: 1.0}, {1: 1.0}) is None
    for ours, base in (
        ({0: 1.5}, {0: 1.0}),
        ({0: 1.5, 1: 2.5}, {0: 1.0, 1: 2.0}),
        ({0: 0.3, 1: 0.7}, {0: 0.1, 1: 0.5}),
    ):
        found = difference(ours, base)
        assert found.value > 0
        assert math.isnan(found.p)
        assert math.isnan(found.error)


def test_share_of_the_oracles_gain():
    gain, oracle = Difference(1.0, 0.1, 0.01, 3), Difference(4.0, 0.1, 0.01, 3)
    assert share_of_oracle(gain, oracle) == 0.25
    assert share_of_oracle(Difference(-8.0, 1, 0.01, 3), Difference(-16.0, 1, 0.01, 3)) == 0.5  # lower is better
    assert share_of_oracle(gain, Difference(0.05, 0.1, 0.5, 3)) is None
    assert share_of_oracle(None, oracle) is share_of_oracle(gain, None) is None


def test_rows_compare_at_the_same_setting(records):
    table = rows(grid(), records)
    assert [(row.label, dict(row.place)) for row in table[:3]] == [(label, dict(batch=32)) for label in LABELS]
    base, oracle, sacl = table[:3]
    values = {
        label: [r.metrics[MAP] for r in records if r.label == label and r.setting['batch'] == 32] for label in LABELS
    }
    assert base.differences[MAP] is None
    assert sacl.means[MAP].value == pytest.approx(statistics.mean(values['SACL']))
    assert sacl.differences[MAP].value == pytest.approx(
        statistics.mean(values['SACL']) - statistics.mean(values['InfoNCE'])
    )
    assert sacl.shares[MAP] == pytest.approx(sacl.differences[MAP].value / oracle.differences[MAP].value)
    assert oracle.shares[MAP] is None
    assert sacl.means['total_cpu_seconds'].value == 120


def test_the_newest_record_of_what_the_grid_has_now(records):
    newer = record('SACL', 0, 99.0, dict(batch=32))
    others = [
        record('removed', 0, 1.0, dict(batch=32)),
        record('SACL', 9, 1.0, dict(batch=32)),
        record('SACL', 0, 1, {}, grid='h'),
    ]
    found = of_grid('g', grid(), [*records, newer, *others])
    assert len(found) == len(records)
    assert newer in found


def test_measures_have_names_for_people():
    assert name_of(RECALL) == 'mean recall'
    assert name_of('retrieval/TR/mAP') == 'image to text mAP'
    assert name_of('vqa/accuracy') == 'accuracy of answers'
    assert name_of('loss') == 'loss'


def test_markdown(records):
    g = grid(pairs=[('SACL', 'InfoNCE')])
    table = rows(g, records)
    lines = means_table(g, table).splitlines()
    assert lines[0] == '| batch | policy | seeds | graded mAP | mean recall | CPU minutes | with its reference |'
    assert lines[2].startswith('| 32 | InfoNCE | 4 | 20.')
    assert lines[4].endswith('| 1.0 | 2.0 |')
    lines = differences_table(g, table).splitlines()
    assert lines[0] == "| batch | policy | pairs | graded mAP | mean recall | share of the oracle's graded mAP gain |"
    assert len(lines) == 2 + 4
    assert '(p < 0.001)' in lines[2]
    assert lines[2].endswith('| - |')
    assert lines[3].endswith(' % |')
    (first, second) = comparisons(g, records)
    assert first.cost_ratio == 2
    assert first.differences[MAP] == table[2].differences[MAP]
    assert comparisons_table([first, second]).splitlines()[2].startswith('| 32 | SACL - InfoNCE | +')


def test_csv(records, tmp_path):
    write_csv(tmp_path / 'g.csv', 'g', grid(), rows(grid(), records))
    with (tmp_path / 'g.csv').open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 6 * 4  # two metrics, two costs
    sacl = next(line for line in lines if (line['label'], line['batch'], line['metric']) == ('SACL', '32', MAP))
    assert float(sacl['difference']) == pytest.approx(rows(grid(), records)[2].differences[MAP].value, rel=1e-5)
    assert float(sacl['p']) < 0.05
    assert lines[0]['difference'] == ''


def test_pairs_name_labels_of_the_grid():
    with pytest.raises(UserError, match="a grid compares 'SACLL', which it has no runs of; did you mean 'SACL'"):
        grid(pairs=[('SACLL', 'InfoNCE')])


def test_tuning_takes_the_best_setting_of_all_runs(records):
    axes = dict(batch={32: {'b': 32}, 64: {'b': 64}})
    best = [record('SACL', seed, 90.0 + seed, dict(batch=64)) for seed in range(4)]
    assert tuned_options('g', grid(), axes, 'SACL', [*records, *best]) == {'b': 64}
    # What is best in a measure may be too low in another one.
    base = [record('InfoNCE', seed, 0, {}, metrics={MAP: 50.0, RECALL: 30.0}) for seed in range(4)]
    runs = [run for run in grid().runs if run.label == 'SACL'] + [Run('InfoNCE', 'c', {}, seed) for seed in range(4)]
    costly = [record('SACL', seed, 0, dict(batch=64), metrics={MAP: 90.0, RECALL: 20.0}) for seed in range(4)]
    cheap = [record('SACL', seed, 0, dict(batch=32), metrics={MAP: 60.0, RECALL: 29.5}) for seed in range(4)]
    with pytest.raises(UserError, match="'SACL' is tuned by the grid 'g', which has 0 of its 4 runs of 'InfoNCE' with"):
        tuned_options('g', Grid(runs), axes, 'SACL', [*costly, *cheap], floor=(RECALL, 1.0))
    for allowed, expected in ((1.0, 32), (20.0, 64), (0.1, 32)):
        floor = ('retrieval/R@mean', allowed)
        found = tuned_options('g', Grid(runs), axes, 'SACL', [*base, *costly, *cheap], floor=floor)
        assert found == {'b': expected}
    with pytest.raises(UserError, match="'SACL' is tuned by the grid 'g', which has 7 of its 8 runs of 'SACL' with"):
        tuned_options('g', grid(), axes, 'SACL', [r for r in records if r is not records[8]])
