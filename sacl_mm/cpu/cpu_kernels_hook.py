"""The switch of this package."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from sacl_mm.cpu.kernels import CPUKernels
from sacl_mm.registry import HOOKS


@HOOKS.register_module()
class CPUKernelsHook(Hook):
    """Runs the model's forward pass within `CPUKernels` on a CPU; does nothing on other devices.

    `default_hooks=dict(cpu=None)` switches it off.
    """

    def before_run(self, runner: Runner) -> None:
        model = getattr(runner.model, 'module', runner.model)  # of a distributed wrapper
        if next(model.parameters()).device.type == 'cpu':
            use_cpu_kernels(model)


def use_cpu_kernels(model: nn.Module) -> None:
    """Run each call of the model within `CPUKernels`, which is left after an error, too."""
    entered: list[CPUKernels] = []

    def enter(*_: Any) -> None:
        entered.append(CPUKernels())
        entered[-1].__enter__()

    def leave(*_: Any) -> None:
        entered.pop().__exit__(None, None, None)

    model.register_forward_pre_hook(enter)
    model.register_forward_hook(leave, always_call=True)
