"""Rows of a tensor by index, which may repeat, with a deterministic gradient: the hard negatives of a batch."""

from torch import Tensor


def pick(x: Tensor, index_B: Tensor) -> Tensor:
    """x[index_B], with a gradient that is the same bits every time.

    A row that is picked twice adds up two gradients. The order of this sum varies for `x[index_B]` on CPUs with several
    threads, where it is slow, too, and for `index_select` on GPUs (docs/stack.md).
    """
    return x.index_select(0, index_B) if x.device.type == 'cpu' else x[index_B]
