"""Communication between processes that keeps gradients and values equal to those of one process with the whole batch."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def world_size(group: dist.ProcessGroup | None = None) -> int:
    """Of all processes, or of those in a group."""
    return dist.get_world_size(group) if dist.is_available() and dist.is_initialized() else 1


def rank(group: dist.ProcessGroup | None = None) -> int:
    return dist.get_rank(group) if dist.is_available() and dist.is_initialized() else 0


class _AllGather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, local: Tensor, group: dist.ProcessGroup | None) -> Tensor:
        ctx.group = group
        return _all_gather(local, group)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        # Every process's loss used this process's rows: their gradients add up.
        gradient = gradient.contiguous()
        dist.all_reduce(gradient, group=ctx.group)
        return gradient.chunk(world_size(ctx.group))[rank(ctx.group)], None


def _all_gather(local: Tensor, group: dist.ProcessGroup | None) -> Tensor:
    pieces = [torch.empty_like(local) for _ in range(world_size(group))]
    dist.all_gather(pieces, local.contiguous(), group=group)
    return torch.cat(pieces)


def gather_with_gradient(local: Tensor, group: dist.ProcessGroup | None = None) -> Tensor:
    """Concatenate (B, ...) of every process (of a group) to (world * B, ...), in order of rank; all must have the same shape.

    The backward pass adds up the gradients of all processes' losses. As DistributedDataParallel averages parameters'
    gradients, a loss that is the mean over local anchors then has the gradient of the mean over all anchors.
    """
    return local if world_size(group) == 1 else _AllGather.apply(local, group)


@torch.no_grad()
def gather(local: Tensor, group: dist.ProcessGroup | None = None) -> Tensor:
    """As `gather_with_gradient`, without gradient; for ids and evidence."""
    return local if world_size(group) == 1 else _all_gather(local, group)


def largest(value: int, device: torch.device) -> int:
    """The largest of the processes' values."""
    if world_size() == 1:
        return value
    tensor = torch.tensor(value, device=device)
    dist.all_reduce(tensor, op=dist.ReduceOp.MAX)
    return int(tensor)


def mean_over_processes(total: Tensor, count: Tensor) -> Tensor:
    """`total` / `count` of the local batch, scaled so that the average over processes, which DistributedDataParallel takes of
    gradients, is the mean over all processes' items; 0 if there are none."""
    count = count.detach().to(total.dtype).clone()
    if world_size() > 1:
        dist.all_reduce(count)
    return total * world_size() / count.clamp(min=1)


@torch.no_grad()
def average(values: Tensor) -> Tensor:
    """Mean of the processes' values, element by element; for logging."""
    if world_size() == 1:
        return values
    values = values.clone()
    dist.all_reduce(values)
    return values / world_size()
