"""The order of samples and their randomness, which do not depend on the worker or process that loads a sample.

The sampler yields indices that carry seed and epoch; a sample's random state follows from these.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

import numpy as np
import torch
from mmengine.dataset import DefaultSampler

from sacl_mm.registry import DATA_SAMPLERS


class SampleIndex(int):
    """An index that carries what the sample's randomness depends on.

    Dataset wrappers turn a global index into one of their parts by `-` (mmengine's `ConcatDataset`) or `%`
    (`RepeatDataset`); the result still carries the seed, the epoch and the index that the sampler *drew*.

    Args:
        value: the index in the dataset.
        epoch: the sampler's epoch, >= 0.
        seed: the sampler's seed, >= 0.
        drawn: the index that the sampler drew; by default `value`.
    """

    epoch: int
    seed: int
    drawn: int

    def __new__(cls, value: int, epoch: int, seed: int, drawn: int | None = None) -> 'SampleIndex':
        index = super().__new__(cls, value)
        index.epoch = epoch
        index.seed = seed
        index.drawn = int(value) if drawn is None else drawn
        return index

    def __getnewargs__(self) -> tuple[int, int, int, int]:  # type: ignore[override]
        return int(self), self.epoch, self.seed, self.drawn

    def __sub__(self, other: int) -> 'SampleIndex':
        return SampleIndex(int(self) - int(other), self.epoch, self.seed, self.drawn)

    def __mod__(self, other: int) -> 'SampleIndex':
        return SampleIndex(int(self) % int(other), self.epoch, self.seed, self.drawn)


@contextmanager
def random_state_of(index: int) -> Iterator[None]:
    """Inside, Python's, NumPy's and torch's (CPU) global generators start from (seed, epoch, index).

    Afterwards the three continue where they were. With a plain `int` nothing is touched.
    """
    if not isinstance(index, SampleIndex):
        yield
        return
    # SeedSequence mixes the three integers in the same way on every platform and NumPy version.
    words = np.random.SeedSequence([index.seed, index.epoch, index.drawn]).generate_state(3).tolist()
    before = random.getstate(), np.random.get_state(), torch.default_generator.get_state()  # noqa: NPY002
    try:
        random.seed(words[0])
        np.random.seed(words[1])  # noqa: NPY002
        torch.default_generator.manual_seed(words[2])  # torch.manual_seed would also reseed the GPUs
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
        torch.default_generator.set_state(before[2])


@DATA_SAMPLERS.register_module()
class EpochSampler(DefaultSampler):
    """MMEngine's `DefaultSampler` (shuffle, seed, round_up, every world_size-th index) yielding `SampleIndex`.

    Its whole state is (seed, epoch, first): a resumed run draws the same samples in the same order, with the same
    augmentations, for any number of workers.

    Attributes:
        first: where the next pass begins, in samples of this process; 0 again for the pass after it.
    """

    first = 0

    def __iter__(self) -> Iterator[SampleIndex]:
        first, self.first = self.first, 0
        for index in islice(super().__iter__(), first, None):
            yield SampleIndex(index, epoch=self.epoch, seed=self.seed)
