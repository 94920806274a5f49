"""Runs what is left of a plan, some trainings at a time, and records each when it ends."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import records
from checkout import Checkout, checkout
from child import TRAINER, Child, Ended, log_of, training_of
from logged import curves_of, weight_counts
from plan import Task
from records import Record
from run_config import config_text
from runs import Run

from sacl_mm.inference.model_folder import last_checkpoint
from sacl_mm.report.runs import last_values
from sacl_mm.user_error import UserError

_SECONDS_BETWEEN_LOOKS = 0.1
_SECONDS_OF_PAUSE = 5.0
_FINISHED = 'finished'  # a file in the folder of a training that got to its end


class Runner:
    """One thread that starts, polls and records.

    Args:
        tasks: of `plan`.
        file: the records.
        work_dir: holds a folder for each run, until it is recorded and no other run of the plan comes after it.
        dirty: whether code that is not committed is run, too; the records say so.
        say: gets a line for whatever happens.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        file: Path,
        work_dir: Path,
        jobs: int = 1,
        dirty: bool = False,
        trainer: Sequence[str] = TRAINER,
        say: Callable[[str], None] = print,
    ) -> None:
        self.tasks, self.file, self.work_dir, self.jobs = tasks, file, work_dir.resolve(), jobs
        self.dirty, self.trainer, self.say = dirty, trainer, say
        self.waiting = [task for task in tasks if self._must_train(task)]
        self.running: dict[Task, tuple[Child, Checkout]] = {}
        self.failed: list[Task] = []
        self.finished = 0
        self._begun, self._paused_until = False, 0.0

    def run(self, look: Callable[[], None] = lambda: None) -> bool:
        """To the end; whether all went well. Whatever ends it early ends the trainings.

        Args:
            look: is called again and again meanwhile.

        Raises:
            UserError: the code has uncommitted changes. If they come later, nothing starts until they are committed.
        """
        self._name_in_all_grids()
        try:
            while self.waiting or self.running:
                self._start()
                for task, (child, code) in list(self.running.items()):
                    if (ended := child.poll()) is not None:
                        del self.running[task]
                        self._end(task, ended, code)
                look()
                time.sleep(_SECONDS_BETWEEN_LOOKS)
        finally:
            for child, _ in self.running.values():
                child.kill()
        return not self.failed

    def _must_train(self, task: Task) -> bool:
        """Also what is recorded, if its checkpoint is needed and gone."""
        needed = any(other.parent is task and self._must_train(other) for other in self.tasks)
        return task.record is None or (needed and not self._is_kept(task))

    def _is_kept(self, task: Task) -> bool:
        return (task.folder(self.work_dir) / _FINISHED).exists()

    def _start(self) -> None:
        for task in list(self.waiting):
            if len(self.running) >= self.jobs or time.monotonic() < self._paused_until:
                return
            if task.parent in self.failed:
                self.waiting.remove(task)
                self._fail(task, f'the run that it comes after failed: {task.parent.name}')
            elif task.parent is None or task.parent not in (*self.waiting, *self.running):
                code = checkout()
                if code.problem and not self.dirty:
                    return self._pause(code.problem)
                self.waiting.remove(task)
                try:
                    text = config_text(task.run, self._checkpoint_before(task))
                except UserError as error:
                    self._fail(task, str(error))
                else:
                    self._begun, self._paused_until = True, 0.0
                    self.running[task] = Child(task.folder(self.work_dir), text, self.trainer), code

    def _pause(self, problem: str) -> None:
        """In the middle of a study somebody may be about to commit: nothing starts until then."""
        if not self._begun:
            raise UserError(problem)
        if not self._paused_until:
            self.say(f'waiting: {problem}')
        self._paused_until = time.monotonic() + _SECONDS_OF_PAUSE

    def _checkpoint_before(self, task: Task) -> Path | None:
        return task.parent and last_checkpoint(training_of(task.parent.folder(self.work_dir)))

    def _end(self, task: Task, ended: Ended, code: Checkout) -> None:
        folder = task.folder(self.work_dir)
        if ended.code != 0:
            return self._fail(task, f'exit code {ended.code}, see {log_of(folder)}')
        try:
            if task.record is None:  # else only its checkpoint was missing
                self._record(task, ended, code)
        except UserError as error:
            return self._fail(task, f'{error}, see {log_of(folder)}')
        self.finished += 1
        (folder / _FINISHED).touch()
        self.say(f'{task.name}: done in {ended.wall_seconds / 60:.1f} min')
        for other in (task, task.parent):
            if other is not None and not self._is_needed(other):
                shutil.rmtree(other.folder(self.work_dir))

    def _is_needed(self, task: Task) -> bool:
        return any(other.parent is task and other.record is None for other in self.tasks)

    def _fail(self, task: Task, why: str) -> None:
        self.failed.append(task)
        self.say(f'{task.name}: failed: {why}')

    def _record(self, task: Task, ended: Ended, code: Checkout) -> None:
        training = training_of(task.folder(self.work_dir))
        name, run = task.places[0]
        task.record = Record(
            grid=name,
            label=run.label,
            setting=run.setting,
            seed=run.seed,
            hash=task.hash,
            commit=code.commit,
            dirty=bool(code.changed),
            date=datetime.now(timezone.utc).isoformat(timespec='seconds'),
            cpu_seconds=round(ended.cpu_seconds, 2),
            wall_seconds=round(ended.wall_seconds, 2),
            total_cpu_seconds=round(
                ended.cpu_seconds + (task.parent.record.total_cpu_seconds if task.parent else 0), 2
            ),
            metrics=self._metrics(task, training),
            curves=curves_of(training),
            weights=weight_counts(training) if task.weights else {},
        )
        records.append(self.file, [_named(task.record, *place) for place in task.places])

    def _metrics(self, task: Task, training: Path) -> dict[str, float]:
        try:
            return {name: round(value, 4) for name, value in last_values(training).items()}
        except UserError:
            if task.is_stage:
                return {}
            raise

    def _name_in_all_grids(self) -> None:
        """Runs that another grid had already get a line of this one."""
        there = {(r.grid, r.label, str(r.setting), r.key) for r in records.load(self.file)}
        for task in self.tasks:
            for name, run in task.places if task.record is not None else ():
                if (name, run.label, str(run.setting), task.key) not in there:
                    records.append(self.file, [_named(task.record, name, run)])


def _named(record: Record, grid: str, run: Run) -> Record:
    return replace(record, grid=grid, label=run.label, setting=run.setting)
