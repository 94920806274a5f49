"""Rows of a tensor by their numbers, which may repeat: the hard negatives of a batch."""

from torch import Tensor


def pick(x: Tensor, index_B: Tensor) -> Tensor:
    """x[index_B], with a gradient that is the same bits every time.

    A row that is picked twice adds up two gradients. On CPUs with several threads that of `x[index_B]` adds them in another
    order every time, and is slow; on GPUs that of `index_select` does (docs/stack.md).
    """
    return x.index_select(0, index_B) if x.device.type == 'cpu' else x[index_B]
