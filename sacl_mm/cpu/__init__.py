"""Faster training on CPUs. Nothing else in the library knows of this package; `CPUKernelsHook` is its one switch."""

from sacl_mm.cpu.cpu_kernels_hook import CPUKernelsHook
from sacl_mm.cpu.kernels import CPUKernels

__all__ = ['CPUKernels', 'CPUKernelsHook']
