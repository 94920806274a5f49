"""A progress bar on a terminal; in a log file or a pipe MMEngine's plain lines are enough."""

import logging
import sys

from mmengine.hooks import Hook
from mmengine.runner import Runner
from rich.console import Console
from rich.file_proxy import FileProxy
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from sacl_mm.registry import HOOKS


@HOOKS.register_module()
class ProgressHook(Hook):
    """One bar over all training iterations and one over each evaluation, with the time that has passed and is left.

    Shown by the main process if the standard output is a terminal. Log lines scroll above the bars.
    """

    priority = 'LOW'

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._training = self._evaluation = None
        self._redirected: list[tuple[logging.StreamHandler, object]] = []

    def before_run(self, runner: Runner) -> None:
        if runner.rank != 0 or not sys.stdout.isatty():
            return
        console = Console()
        self._progress = Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn('left'),
            TimeRemainingColumn(),
            TextColumn('{task.fields[note]}'),
            console=console,
        )
        self._progress.start()
        for handler in runner.logger.handlers:
            if type(handler) is logging.StreamHandler or handler.__class__.__name__ == 'StreamHandler':
                self._redirected.append((handler, handler.stream))
                handler.setStream(FileProxy(console, handler.stream))

    def after_run(self, runner: Runner) -> None:
        if self._progress is None:
            return
        self._progress.stop()
        for handler, stream in self._redirected:
            handler.setStream(stream)
        self._progress, self._redirected = None, []

    def before_train(self, runner: Runner) -> None:
        if self._progress is not None:
            self._training = self._progress.add_task('training', total=runner.max_iters, completed=runner.iter, note='')

    def _before_epoch(self, runner: Runner, mode: str = 'train') -> None:
        if self._progress is not None and mode != 'train':
            batches = len(runner.val_dataloader if mode == 'val' else runner.test_dataloader)
            name = 'evaluation' if mode == 'val' else 'test'
            self._evaluation = self._progress.add_task(name, total=batches, note='')

    def _after_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None, mode: str = 'train') -> None:
        if self._progress is None:
            return
        if mode != 'train':
            self._progress.update(self._evaluation, completed=batch_idx + 1)
            return
        loss = (outputs or {}).get('loss')
        note = f'epoch {runner.epoch + 1}/{runner.max_epochs}' + ('' if loss is None else f'  loss {float(loss):.3f}')
        self._progress.update(self._training, completed=runner.iter + 1, note=note)

    def _after_epoch(self, runner: Runner, mode: str = 'train') -> None:
        if self._progress is not None and mode != 'train':
            self._progress.remove_task(self._evaluation)
