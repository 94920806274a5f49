"""The runner of the study of false negatives, with a trainer that only writes what a training leaves."""

import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import records
import runner
import study
from checkout import Checkout, checkout
from command_line import Forked
from grids import GRIDS, SHAPE_WORLD
from plan import plan, seconds_of
from runner import Runner
from runs import Grid, Run
from variants import CHECKPOINT

from sacl_mm.user_error import UserError

TRAINER = """
import json, pathlib, sys, time
config, folder = pathlib.Path(sys.argv[1]).read_text(), pathlib.Path(sys.argv[3])
with open(%r, 'a') as calls:
    calls.write(config.split('\\n')[0] + '\\n')
if "fails=True" in config or "'fails': True" in config:
    sys.exit('no')
if "'hangs': True" in config:
    time.sleep(60)
(folder / 'now/vis_data').mkdir(parents=True)
lines = [dict(mi_positive=0.1, iter=4, step=4), {'retrieval/mAP': 20.0, 'retrieval/R@mean': float('nan'), 'step': 1}]
if "'unmeasured': True" in config:
    del lines[1]
(folder / 'now/vis_data/scalars.json').write_text('\\n'.join(map(json.dumps, lines)))
(folder / 'epoch_1.pth').touch()
(folder / 'last_checkpoint').write_text('/elsewhere/epoch_1.pth')
"""


class Place:
    """Where a study runs."""

    def __init__(self, folder):
        self.file, self.work_dir, self._calls = folder / 'records.jsonl', folder / 'runs', folder / 'calls'
        script = folder / 'trainer.py'
        script.write_text(TRAINER % str(self._calls))
        self.trainer, self.lines = [sys.executable, '-S', str(script)], []

    def runner(self, grids, only=None, **options):
        options = dict(dirty=True, jobs=2) | options
        tasks = plan(grids, records.load(self.file), only)
        return Runner(tasks, self.file, self.work_dir, trainer=self.trainer, say=self.lines.append, **options)

    def run(self, *grids, **options):
        return self.runner({f'grid{number}': Grid(list(runs)) for number, runs in enumerate(grids)}, **options).run()

    @property
    def calls(self):
        return self._calls.read_text().splitlines() if self._calls.exists() else []

    @property
    def records(self):
        return records.load(self.file)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def commands():
    """Of all processes, where the system tells."""
    for file in Path('/proc').glob('[0-9]*/cmdline'):
        with suppress(OSError):
            yield file.read_text()


def some_run(label='A', seed=0, after=None, setting=None, **options):
    return Run(
        label, SHAPE_WORLD, {f'train_cfg.{key}': value for key, value in options.items()}, seed, after, setting or {}
    )


def test_a_run_leaves_a_record_and_no_folder(place):
    assert place.run([some_run(setting=dict(batch=8))])
    (record,) = place.records
    assert (record.grid, record.label, record.setting, record.seed) == ('grid0', 'A', dict(batch=8), 0)
    assert record.metrics['retrieval/mAP'] == 20
    assert (
        record.metrics['retrieval/R@mean'] != record.metrics['retrieval/R@mean']
    )  # not a number, which JSON cannot say
    assert record.curves == dict(iter=[4], mi_positive=[0.1])
    assert record.commit == checkout().commit
    assert 0 < record.cpu_seconds == record.total_cpu_seconds
    assert list(place.work_dir.iterdir()) == []


def test_what_is_recorded_is_not_run_again(place):
    assert place.run([some_run(seed=seed) for seed in (0, 1)])
    assert place.run([some_run(seed=seed) for seed in (0, 1, 2)])
    assert len(place.calls) == 3
    assert [record.seed for record in place.records].count(2) == 1


def test_the_same_run_of_two_grids_is_run_once_and_named_in_both(place):
    place.run([some_run('A', width=1)], [some_run('B', width=1)])
    place.run([some_run('A', width=1)], [some_run('B', width=1)], [some_run('C', width=1)])
    assert len(place.calls) == 1
    assert [(record.grid, record.label) for record in place.records] == [('grid0', 'A'), ('grid1', 'B'), ('grid2', 'C')]
    assert len({record.key for record in place.records}) == 1


def test_a_study_that_was_killed_goes_on(place):
    grid = [some_run('A'), some_run('B', hangs=True), some_run('C', hangs=True, width=1)]
    forked = Forked(lambda: place.run(grid))
    end = time.monotonic() + 20
    while len(place.calls) < 3:
        assert time.monotonic() < end, forked.output()
        time.sleep(0.02)
    forked.process.kill()
    forked.process.join()
    assert [record.label for record in place.records] == ['A']
    time.sleep(0.2)
    assert not any(place.trainer[-1] in command for command in commands())  # the trainings ended with it
    waiting = place.runner(dict(grid0=Grid(grid))).waiting
    assert [task.name for task in waiting] == ['B, seed 0', 'C, seed 0']
    with place.file.open('a') as file:
        file.write('{"grid": "gri')  # the kill came in the middle of a line
    assert place.run([some_run('D', width=2)])
    assert [record.label for record in place.records] == ['A', 'D']


def test_ctrl_c_ends_the_trainings(place):
    started = place.runner(dict(grid0=Grid([some_run(hangs=True)])))

    def look():
        raise KeyboardInterrupt  # as the signal's handler does; the signal itself might end pytest

    with pytest.raises(KeyboardInterrupt):
        started.run(look)
    ((child, _),) = started.running.values()
    assert child._process.returncode == -signal.SIGKILL
    assert place.records == []


def test_a_failed_run_is_one_line_and_the_others_go_on(place):
    grid = [some_run('A', fails=True), some_run('B', after='A', start='{checkpoint}'), some_run('C', width=1)]
    assert not place.run(grid)
    assert [record.label for record in place.records] == ['C']
    failures = sorted(line for line in place.lines if 'failed' in line)
    assert failures[0].startswith('A, seed 0: failed: exit code 1, see ')
    log = failures[0].rpartition(' ')[2]
    assert Path(log).read_text() == 'no\n'
    assert failures[1:] == ['B, seed 0: failed: the run that it comes after failed: A, seed 0']


def test_a_run_starts_from_the_checkpoint_of_the_one_before_and_counts_its_cost(place):
    # Listed the wrong way round.
    grid = [some_run('B', seed, after='A', start='{checkpoint}') for seed in (0, 1)]
    grid += [some_run('A', seed) for seed in (0, 1)]
    assert place.run(grid, jobs=1)
    assert place.calls == [f'"""{name}, seed {seed}."""' for seed in (0, 1) for name in 'AB']
    by_name = {(record.label, record.seed): record for record in place.records}
    first, second = by_name['A', 1], by_name['B', 1]
    assert second.total_cpu_seconds == pytest.approx(first.cpu_seconds + second.cpu_seconds, abs=0.011)
    assert list(place.work_dir.iterdir()) == []
    # One more comes after it, and its checkpoint is gone.
    assert place.run([*grid, some_run('C', 1, after='A', start='{checkpoint}', width=1)])
    assert place.calls[4:] == ['"""A, seed 1."""', '"""C, seed 1."""']
    assert len(place.records) == 5


def test_a_stage_between_others_need_not_be_measured(place):
    first, second = some_run('A', unmeasured=True), replace(some_run('B', after='A'), options={'load_from': CHECKPOINT})
    assert place.run([first, second])
    assert [record.metrics.get('retrieval/mAP') for record in place.records] == [None, 20]
    stage = Grid([some_run('A', unmeasured=True, width=2), replace(second, seed=0)])
    assert place.runner(dict(g=stage), only='A').run()
    assert not place.run([some_run('A', unmeasured=True, width=1)])
    assert 'has not been validated yet' in place.lines[-1]


def test_after_and_checkpoint_belong_together():
    for wrong in (some_run('B', after='A'), some_run('B', start='{checkpoint}')):
        with pytest.raises(UserError, match="grid 'g', B, seed 0: `after` and an option with '{checkpoint}'"):
            plan(dict(g=Grid([wrong, some_run('A')])), [])
    with pytest.raises(UserError, match="B, seed 1 comes after 'A', which it does not have"):
        plan(dict(g=Grid([some_run('B', 1, after='A', start='{checkpoint}'), some_run('A', 0)])), [])


def test_only_one_label_and_what_it_comes_after():
    grids = dict(g=Grid([some_run('A'), some_run('B', after='A', start='{checkpoint}'), some_run('C')]))
    assert [task.name for task in plan(grids, [], only='B')] == ['A, seed 0', 'B, seed 0']
    with pytest.raises(UserError, match="no run is named 'D'"):
        plan(grids, [], only='D')


def test_uncommitted_code_is_refused(place, monkeypatch):
    monkeypatch.setattr(runner, 'checkout', lambda: Checkout('abc', ('sacl_mm/new.py',)))
    with pytest.raises(UserError, match='uncommitted changes in sacl_mm/new.py: commit them first, or give --dirty'):
        place.run([some_run()], dirty=False)
    assert not place.calls
    assert place.run([some_run()], dirty=True)
    assert place.records[0].dirty
    monkeypatch.setattr(runner, 'checkout', lambda: Checkout('abc', ()))
    assert place.run([some_run(seed=1)], dirty=False)
    assert not place.records[1].dirty


def test_a_study_waits_while_code_is_not_committed(place, monkeypatch):
    changed = [(), ('sacl_mm/new.py',), ('sacl_mm/new.py',), ()]
    monkeypatch.setattr(runner, 'checkout', lambda: Checkout('abc', changed.pop(0)))
    monkeypatch.setattr(runner, '_SECONDS_OF_PAUSE', 0.0)
    assert place.run([some_run(), some_run(seed=1)], dirty=False, jobs=1)
    assert [record.dirty for record in place.records] == [False, False]
    assert [line for line in place.lines if 'waiting' in line] == [
        'waiting: uncommitted changes in sacl_mm/new.py: commit them first, or give --dirty'
    ]


def test_changes_of_code_count_and_of_documents_not(tmp_path):
    def git(*arguments):
        subprocess.run(['git', '-C', tmp_path, '-c', 'user.name=a', '-c', 'user.email=a@b', *arguments], check=True)

    assert 'no git checkout' in checkout(tmp_path).problem
    git('init', '-q')
    git('commit', '-q', '--allow-empty', '-m', 'x')
    (tmp_path / 'projects/p').mkdir(parents=True)
    (tmp_path / 'projects/p/results').mkdir()
    names = ('README.md', 'records.jsonl', 'results/a.csv', 'results/a.png')
    for harmless in ('README.md', 'notes.txt', *(f'projects/p/{name}' for name in names)):
        (tmp_path / harmless).write_text('x')
    assert checkout(tmp_path).problem is None
    (tmp_path / 'projects/p/new.py').write_text('x')
    assert 'projects/p/new.py' in checkout(tmp_path).problem


def test_records_survive_a_cut_line_and_name_a_wrong_one(tmp_path):
    file = tmp_path / 'records.jsonl'
    record = records.Record('g', 'A', dict(batch=8), 0, 'h', 'c', False, 'now', 1.0, 1.0, 1.0, dict(mAP=1.0))
    records.append(file, [record])
    whole = file.read_bytes()
    for cut in range(1, len(whole) - 1):
        file.write_bytes(whole + whole[:cut])
        assert records.load(file) == [record]
    records.append(file, [replace(record, seed=1)])
    assert [r.seed for r in records.load(file)] == [0, 1]
    # Only the end of the line is missing.
    file.write_bytes(whole[:-1])
    assert records.load(file) == [record]
    records.append(file, [replace(record, seed=1)])
    assert [r.seed for r in records.load(file)] == [0, 1]
    for wrong in ('{"grid": 1}', 'no'):
        file.write_text(f'{wrong}\n' + whole.decode())
        with pytest.raises(UserError, match='records.jsonl, line 1 is no record of a run .*: delete that line'):
            records.load(file)


def test_time_is_estimated_from_similar_runs(place):
    place.run([some_run('A'), some_run('B', width=1)])
    known = [replace(record, wall_seconds=60.0 if record.label == 'A' else 120.0) for record in place.records]
    tasks = plan(dict(grid0=Grid([some_run('A', 1), some_run('C', width=2)])), known)
    assert [seconds_of(task, known) for task in tasks] == [60, 90]
    assert seconds_of(tasks[0], []) is None


def test_list_without_a_name_is_an_overview(place, capsys, monkeypatch):
    place.run([some_run('A')])
    made = dict(tiny=lambda known: Grid([some_run('A'), some_run('A', seed=1)]), finalists=GRIDS['finalists'])
    monkeypatch.setattr('grids.GRIDS', made)
    monkeypatch.setattr('sys.argv', ['study.py', 'list', '--records', str(place.file)])
    study.main()
    lines = capsys.readouterr().out.splitlines()
    (tiny,) = [line for line in lines if 'tiny' in line]
    assert [cell.strip() for cell in tiny.split('│')[3:5]] == ['1', '2']
    (later,) = [line for line in lines if 'finalists' in line]  # another grid has to be run before
    assert [cell.strip() for cell in later.split('│')[3:5]] == ['', '?']
    monkeypatch.setattr('sys.argv', ['study.py', 'list', '--only', 'A', '--records', str(place.file)])
    with pytest.raises(SystemExit, match='error: --only belongs to a grid'):
        study.main()


def test_list_says_what_is_left(place, capsys, monkeypatch):
    monkeypatch.setattr('sys.argv', ['study.py', 'list', 'smoke', '--records', str(place.file), '--only', 'oracle'])
    study.main()
    out = capsys.readouterr().out
    assert 'oracle, batch 32' in out
    assert '0 done, 4 left: about ? minutes with 2 at a time' in out
