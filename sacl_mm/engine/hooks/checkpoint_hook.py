"""When checkpoints are written: at the end of epochs, in the middle of long ones, and when a signal asks for it."""

import os
import time
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook as MMEngineCheckpointHook
from mmengine.runner import Runner

from sacl_mm.engine.agreement import Agreement
from sacl_mm.engine.interruption import Interruption, ToBeContinued, name_of
from sacl_mm.engine.work_dir import files_of_a_run
from sacl_mm.registry import HOOKS
from sacl_mm.user_error import UserError

_SNAPSHOT = 'snapshot_iter_{}.pth'


@HOOKS.register_module()
class CheckpointHook(MMEngineCheckpointHook):
    """MMEngine's `CheckpointHook`, whose place it takes in the project's configurations, and:

    * Writes snapshots in the middle of an epoch, every `minutes` (by the first process's clock) or `iterations`; while
      gradients are accumulated, at the next optimizer step. The last two are kept, and none after the training.
    * On SIGTERM, SIGUSR1 and Ctrl-C finishes the iteration, saves and ends the training (`ToBeContinued`).
    * Removes an old checkpoint after the new one is written, not before.
    * Knows for `save_best` that the project's measures are better when greater, and ranks when smaller.

    Args:
        minutes, iterations: between two snapshots; None: no such snapshots.
        others: as in MMEngine.
    """

    _default_greater_keys = [
        *MMEngineCheckpointHook._default_greater_keys,
        'R@',
        'NCS@',
        'P@1',
        'accuracy',
        'tau',
        'consistency',
    ]
    _default_less_keys = [*MMEngineCheckpointHook._default_less_keys, 'rank']

    def __init__(self, *args, minutes: float | None = 30.0, iterations: int | None = None, **others) -> None:
        super().__init__(*args, **others)
        for name, value in (('minutes', minutes), ('iterations', iterations)):
            if value is not None and not value > 0:
                raise ValueError(f'{name} must be positive or None, got {value}')
        self.minutes, self.iterations = minutes, iterations
        self._interruption = Interruption()
        self._agreement: Agreement | None = None
        self._is_due = False
        self._written_at, self._written_iteration = time.monotonic(), -1

    def before_train(self, runner: Runner) -> None:
        super().before_train(runner)
        if runner.cfg.get('overwrite') and not runner._resume and is_main_process():
            for path in files_of_a_run(self.out_dir):
                path.unlink()
        self._paths_in_this_folder()
        self.file_backend = _RemovesLater(self.file_backend)
        self._agreement = Agreement(runner.cfg.get('env_cfg', {}).get('dist_cfg', {}).get('timeout', 1800))
        self._interruption.watch()
        self._written_at = time.monotonic()

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        done = runner.iter + 1
        by_clock = self.minutes is not None and time.monotonic() - self._written_at >= 60 * self.minutes
        by_count = self.iterations is not None and done % self.iterations == 0
        due = by_count or (by_clock and is_main_process())
        number, is_due = self._agreement.largest(self._interruption.signal, int(due or self._is_due))
        self._is_due = bool(is_due)
        if (number or is_due) and runner.optim_wrapper.should_update():
            self._save_snapshot(runner, runner.epoch, done)
            self._end_if_asked(runner, number)

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Save and end on a signal during a validation; a resumed training repeats the validation."""
        if self._agreement is not None:
            (number,) = self._agreement.largest(self._interruption.signal)
            if number:
                self._save_snapshot(runner, runner.epoch, runner.iter)
                self._end_if_asked(runner, number)

    def after_train(self, runner: Runner) -> None:
        super().after_train(runner)
        self._interruption.release()
        if self.last_ckpt is not None:
            self._remove_snapshots(keep=0)

    def _save_snapshot(self, runner: Runner, epoch: int, iteration: int) -> None:
        self._is_due = False
        if iteration == self._written_iteration:
            return
        name = _SNAPSHOT.format(iteration)
        runner.logger.info(f'Saving checkpoint at {iteration} iterations, in the middle of epoch {epoch + 1}: {name}')
        runner.save_checkpoint(
            self.out_dir, name, meta=dict(epoch=epoch, iter=iteration), by_epoch=False, backend_args=self.backend_args
        )
        self._note_written(iteration)
        self._remove_snapshots(keep=2)

    def _end_if_asked(self, runner: Runner, number: int) -> None:
        if number:
            self._interruption.release()
            runner.logger.info(
                f'{name_of(number)}: saved after {self._written_iteration} iterations; the same command with --resume goes on '
                'with the next one'
            )
            raise ToBeContinued(number)

    # ------------------------------------------------------------------------------------------------ files
    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        super()._save_checkpoint_with_step(runner, step, meta)
        self._note_written(meta['iter'])
        self.file_backend.remove_now()
        self._remove_snapshots(keep=1)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        unknown = [name for name in self.save_best or () if name != 'auto' and name not in metrics]
        if unknown:
            raise UserError(
                f"default_hooks.checkpoint.save_best='{unknown[0]}' is not measured; there are {', '.join(metrics)}"
            )
        super()._save_best_checkpoint(runner, metrics)
        if isinstance(backend := getattr(self, 'file_backend', None), _RemovesLater):  # not in a validation alone
            backend.remove_now()

    def _note_written(self, iteration: int) -> None:
        self._written_at, self._written_iteration = time.monotonic(), iteration

    def _remove_snapshots(self, keep: int) -> None:
        if is_main_process() and os.path.isdir(self.out_dir):
            start = len(_SNAPSHOT.partition('{')[0])
            snapshots = sorted(Path(self.out_dir).glob(_SNAPSHOT.format('*')), key=lambda path: int(path.stem[start:]))
            for path in snapshots[: len(snapshots) - keep]:
                path.unlink(missing_ok=True)

    def _paths_in_this_folder(self) -> None:
        """A run in a copied work directory must not remove the original's best checkpoint."""

        def here(path: str | None) -> str | None:
            return path and os.path.join(self.out_dir, os.path.basename(path))

        if getattr(self, 'best_ckpt_path', None) is not None:
            self.best_ckpt_path = here(self.best_ckpt_path)
        for name, path in getattr(self, 'best_ckpt_path_dict', {}).items():
            self.best_ckpt_path_dict[name] = here(path)


class _RemovesLater:
    """A file backend whose `remove` waits for `remove_now`, and spares a file that was written again meanwhile."""

    def __init__(self, backend) -> None:
        self._backend = backend
        self._to_remove: dict[str, float] = {}

    def __getattr__(self, name: str):
        return getattr(self._backend, name)

    def remove(self, path: str) -> None:
        self._to_remove[path] = _modified(path)

    def remove_now(self) -> None:
        for path, modified in self._to_remove.items():
            if _modified(path) == modified:
                self._backend.remove(path)
        self._to_remove = {}


def _modified(path: str) -> float:
    return os.stat(path).st_mtime_ns if os.path.isfile(path) else -1
