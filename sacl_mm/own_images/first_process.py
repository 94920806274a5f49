"""Work that one of several processes does for all, before the Runner brings them together."""

import json
import os
from collections.abc import Callable
from datetime import timedelta

from torch.distributed import Store, rendezvous

from sacl_mm.user_error import UserError

_stores: list[Store] = []


def by_the_first_process(task: str, act: Callable[[], dict]) -> dict:
    """What `act` returns, on all processes; it must be plain JSON.

    The processes talk through the store by which they find each other. A process group for this alone could not be made anew
    by the Runner: gloo would connect to the addresses of the first one.

    Args:
        task: its name, another one for each call.

    Raises:
        UserError: what `act` raised, if that was a user's mistake or a file that cannot be read or written.
    """
    if int(os.environ.get('WORLD_SIZE', 1)) == 1:
        return act()
    store, rank, _ = next(rendezvous('env://'))
    store.set_timeout(timedelta(days=1))  # the launcher ends all if one ends
    if rank == 0:
        try:
            outcome = dict(result=act())
        except (UserError, OSError) as error:
            outcome = dict(error=str(error))
        store.set(f'sacl_mm/{task}', json.dumps(outcome))
    outcome = json.loads(store.get(f'sacl_mm/{task}'))
    _stores.append(store)  # of the first process may serve the others
    if 'error' in outcome:
        raise UserError(outcome['error'])
    return outcome['result']
