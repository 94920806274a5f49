"""Epochs that can be entered in the middle."""

from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.runner import EpochBasedTrainLoop
from torch import nn

from sacl_mm.engine.agreement import first_process_decides
from sacl_mm.engine.checks.weights import check_weights
from sacl_mm.registry import LOOPS
from sacl_mm.user_error import UserError


@LOOPS.register_module()
class ResumableTrainLoop(EpochBasedTrainLoop):
    """MMEngine's loop over epochs, which a resumed training enters at the next batch.

    The sampler starts there, so earlier batches are not read again (`EpochSampler.first`). A validation that was cut off, or
    never started, is done first. `ResumableRunner` uses this loop in place of MMEngine's.
    """

    def run(self) -> nn.Module:
        """The training."""
        self.runner.call_hook('before_train')
        if self._epoch > 0 and self._first_batch() == 0 and not self._was_validated():
            self._validate()
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._validate()
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_epoch(self) -> None:
        """The rest of an epoch."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        first = self._first_batch()
        if first:
            self._start_sampler(first)
        for index, batch in enumerate(self.dataloader, start=first):
            self.run_iter(index, batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def _first_batch(self) -> int:
        """The number of the epoch's batches that are done."""
        return self._iter - self._epoch * len(self.dataloader)

    def _start_sampler(self, batches: int) -> None:
        sampler = self.dataloader.sampler
        if not hasattr(sampler, 'first'):
            raise UserError(
                f'the checkpoint is in the middle of an epoch, where a {type(sampler).__name__} cannot begin: set '
                "train_dataloader.sampler=dict(type='EpochSampler', shuffle=True), or resume from the end of an epoch"
            )
        sampler.first = batches * self.dataloader.batch_size

    # ------------------------------------------------------------------------------------------------ validation
    def _validate(self) -> None:
        self._decide_current_val_interval()
        is_due = self._epoch % self.val_interval == 0 or self._epoch == self._max_epochs
        if self.runner.val_loop is None or self._epoch < self.val_begin or not is_due:
            return
        check_weights(self.runner.model, 'validated')
        self.runner.val_loop.run()
        if is_main_process():
            self._note.write_text(str(self._epoch))

    @property
    def _note(self) -> Path:
        return Path(self.runner.work_dir, 'last_validated_epoch')

    def _was_validated(self) -> bool:
        return first_process_decides(lambda: self._note.is_file() and self._note.read_text() == str(self._epoch))
