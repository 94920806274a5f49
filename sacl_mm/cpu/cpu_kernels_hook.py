"""The switch of everything in this package."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from sacl_mm.cpu.kernels import CPUKernels
from sacl_mm.registry import HOOKS


@HOOKS.register_module()
class CPUKernelsHook(Hook):
    """Lets the model's forward pass use `CPUKernels` where it runs on a CPU; elsewhere it does nothing.

    `default_hooks=dict(cpu=None)` switches it off. docs/benchmarks.md says what it gives.
    """

    def before_run(self, runner: Runner) -> None:
        model = getattr(runner.model, 'module', runner.model)  # of a distributed wrapper
        if next(model.parameters()).device.type == 'cpu':
            use_cpu_kernels(model)


def use_cpu_kernels(model: nn.Module) -> None:
    """Let each call of the model run within `CPUKernels`, and leave it also after an error."""
    entered: list[CPUKernels] = []

    def enter(*_: Any) -> None:
        entered.append(CPUKernels())
        entered[-1].__enter__()

    def leave(*_: Any) -> None:
        entered.pop().__exit__(None, None, None)

    model.register_forward_pre_hook(enter)
    model.register_forward_hook(leave, always_call=True)
