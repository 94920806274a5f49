"""The switch of this package."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn
from torch.utils.hooks import RemovableHandle

from sacl_mm.cpu.kernels import CPUKernels
from sacl_mm.registry import HOOKS


@HOOKS.register_module()
class CPUKernelsHook(Hook):
    """Runs the model's forward pass within `CPUKernels` on a CPU; does nothing on other devices.

    `default_hooks=dict(cpu=None)` switches it off.
    """

    def __init__(self) -> None:
        self._handles: list[RemovableHandle] = []

    def before_run(self, runner: Runner) -> None:
        self.after_run(runner)  # of a run that ended with an error
        model = getattr(runner.model, 'module', runner.model)  # of a distributed wrapper
        if next(model.parameters()).device.type == 'cpu':
            self._handles = use_cpu_kernels(model)

    def after_run(self, runner: Runner) -> None:
        while self._handles:
            self._handles.pop().remove()


def use_cpu_kernels(model: nn.Module) -> list[RemovableHandle]:
    """Run each call of the model within `CPUKernels`, which is left after an error, too; ends when the handles are removed."""
    entered: list[CPUKernels] = []

    def enter(*_: Any) -> None:
        entered.append(CPUKernels())
        entered[-1].__enter__()

    def leave(*_: Any) -> None:
        entered.pop().__exit__(None, None, None)

    return [model.register_forward_pre_hook(enter), model.register_forward_hook(leave, always_call=True)]
