"""The momentum teacher: an exponential moving average of the student."""

import copy
from typing import Any

import torch
from torch import nn

from sacl_mm.functional.settings import check_number


class MomentumTeacher(nn.Module):
    """A copy of some of the student's modules that follows them: teacher = decay * teacher + (1 - decay) * student.

    It is always in evaluation mode and never gets a gradient. MMEngine's `ExponentialMovingAverage` would do the average,
    but copies the whole model and replaces the teacher by the student on its first update.

    Args:
        student: the modules to follow, by name.
        decay: 0.995 in ALBEF.
    """

    # What models of this library have copied; parts of any kind, as in the student.
    towers: Any
    multimodal_backbone: Any
    masked_language_head: Any

    def __init__(self, student: dict[str, nn.Module], decay: float = 0.995) -> None:
        super().__init__()
        check_number('decay', decay, '[0, 1)')
        self.decay = decay
        self.add(student)

    def add(self, student: dict[str, nn.Module]) -> None:
        """Follow these modules, too."""
        for name, module in student.items():
            self.add_module(name, copy.deepcopy(module).requires_grad_(False).eval())

    def train(self, mode: bool = True) -> 'MomentumTeacher':
        return super().train(False)

    @torch.no_grad()
    def follow(self, student: dict[str, nn.Module], decay: float | None = None) -> None:
        """One step of the average; `decay` = 0 copies."""
        decay = self.decay if decay is None else decay
        for name, module in student.items():
            mine = self.get_submodule(name)
            torch._foreach_lerp_(list(mine.parameters()), list(module.parameters()), 1 - decay)
            for buffer, source in zip(mine.buffers(), module.buffers(), strict=True):
                buffer.copy_(source)
