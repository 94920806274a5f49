"""Ends a training at NaN or infinity, before anything is saved."""

from collections.abc import Iterable

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor

from sacl_mm.functional.distributed import gather, rank
from sacl_mm.user_error import NonFiniteError

# Under float16 the scaler halves its scale of 2^16 at each overflow; after so many in a row nothing is left of it.
_MOST_SKIPPED = 20
_NAMED = 5


class FiniteSteps:
    """Checks each step's losses after the step, where MMEngine reads them anyway: no extra synchronisation.

    Logged losses are means over the processes, so all processes see the same and stop together.
    """

    def __init__(self) -> None:
        self.local: dict[str, Tensor] = {}
        self._skipped = 0

    def check(self, logged: dict[str, Tensor], iteration: int, data: dict, optim_wrapper: OptimWrapper) -> bool:
        """Whether the losses are finite.

        Args:
            logged: means over all processes.
            data: the batch, with `data_samples` that know their images.
            optim_wrapper: one with a `loss_scaler` (float16) skips a step that overflows, which is normal.

        Raises:
            NonFiniteError: names the iteration, the losses and, on the processes at fault, the batch's images.
        """
        names = [name for name in logged if 'loss' in name]
        if bool(torch.stack([logged[name] for name in names]).isfinite().all()):
            self._skipped = 0
            return True
        self._skipped += 1
        scaler = getattr(optim_wrapper, 'loss_scaler', None)
        if scaler is not None and scaler.is_enabled() and self._skipped <= _MOST_SKIPPED:
            return False
        raise NonFiniteError(self._explain(names, iteration, data))

    def _explain(self, names: list[str], iteration: int, data: dict) -> str:
        bad = [name for name in names if not bool(self.local[name].isfinite().all())]
        device = self.local[names[0]].device
        at_fault = gather(torch.tensor([bool(bad)], device=device)).nonzero()[:, 0].tolist()
        advice = (
            'Nothing of it is saved: the last checkpoint is from before. A lower learning rate, optim_wrapper.clip_grad or '
            'a look at these images may help; --resume goes on from the checkpoint'
        )
        if not bad:
            return (
                f'iteration {iteration}: the loss is not finite on process {", ".join(map(str, at_fault))}, whose message '
                f'names its images. {advice}'
            )
        values = ', '.join(f'{name} {float(self.local[name])}' for name in bad)
        where = f' (process {rank()})' if len(at_fault) > 1 or rank() else ''
        return f'iteration {iteration}{where}: {values}, with the images {_images(data)}. {advice}'


def _images(data: dict) -> str:
    """The first of the batch's images, by path or, where they are drawn, by id."""
    names: list[str] = []
    for sample in data.get('data_samples', []) if isinstance(data, dict) else []:
        path = sample.get('img_path', None)
        if isinstance(path, str):
            names.append(path)
        elif isinstance(path, Iterable):
            names += path
        else:
            names.append(f'id {sample.get("image_id", "?")}')
    return ', '.join(names[:_NAMED]) + (f', ... ({len(names)} in all)' if len(names) > _NAMED else '')
