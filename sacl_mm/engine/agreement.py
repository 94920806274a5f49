"""What the processes of a run decide together."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist

from sacl_mm.functional.distributed import rank, world_size
from sacl_mm.user_error import UserError

Decision = TypeVar('Decision')


class Agreement:
    """Numbers on which all processes agree. They are exchanged on the host, so that no GPU waits for them.

    Args:
        seconds: after which a process that waits in vain for the others raises.
    """

    def __init__(self, seconds: float = 1800) -> None:
        self._group = None
        if world_size() > 1:
            # A new group would not have the timeout of the first one.
            is_gloo = dist.get_backend() == 'gloo'
            self._group = (
                dist.group.WORLD if is_gloo else dist.new_group(backend='gloo', timeout=timedelta(seconds=seconds))
            )

    def largest(self, *values: int) -> list[int]:
        """Of each value the largest of all processes."""
        if self._group is None:
            return list(values)
        numbers = torch.tensor(values)
        dist.all_reduce(numbers, dist.ReduceOp.MAX, group=self._group)
        return numbers.tolist()


def first_process_decides(decide: Callable[[], Decision]) -> Decision:
    """What `decide` returns on the first process, for all of them; a UserError there is raised on all."""
    if world_size() == 1:
        return decide()
    outcome: list = [None, None]
    if rank() == 0:
        try:
            outcome[0] = decide()
        except UserError as error:
            outcome[1] = str(error)
    dist.broadcast_object_list(outcome)
    if outcome[1] is not None:
        raise UserError(outcome[1])
    return outcome[0]
