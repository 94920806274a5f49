"""The sampler that tells the dataset the epoch, so that a sample does not depend on who loads it."""

from collections.abc import Iterator

from mmengine.dataset import DefaultSampler

from sacl_mm.datasets.sample_index import SampleIndex
from sacl_mm.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class EpochSampler(DefaultSampler):
    """MMEngine's `DefaultSampler` (shuffle, seed, round_up, every world_size-th index) yielding `SampleIndex`.

    Its whole state is (seed, epoch): a run resumed at the start of an epoch draws the same samples in the same order,
    with the same augmentations, for any number of workers.
    """

    def __iter__(self) -> Iterator[SampleIndex]:
        for index in super().__iter__():
            yield SampleIndex(index, epoch=self.epoch, seed=self.seed)
