"""The sampler that tells the dataset the epoch, so that a sample does not depend on who loads it."""

from collections.abc import Iterator
from itertools import islice

from mmengine.dataset import DefaultSampler

from sacl_mm.datasets.sample_index import SampleIndex
from sacl_mm.registry import DATA_SAMPLERS


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
