"""Run a function on several gloo processes on this machine."""

import os
import tempfile

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def _entry(rank: int, world: int, store: str, function, results, args) -> None:
    torch.set_num_threads(1)
    os.environ['LOCAL_RANK'] = str(rank)
    dist.init_process_group('gloo', init_method=f'file://{store}', rank=rank, world_size=world)
    try:
        results[rank] = function(rank, *args)
    finally:
        dist.destroy_process_group()


def run_on_processes(world: int, function, *args) -> list:
    """`function(rank, *args)` of each process, in order of rank; functions and results must pickle."""
    with mp.get_context('fork').Manager() as manager, tempfile.TemporaryDirectory() as folder:
        results = manager.dict()
        # Forked processes have everything imported already.
        arguments = (world, os.path.join(folder, 'store'), function, results, args)
        mp.start_processes(_entry, arguments, nprocs=world, start_method='fork')
        return [results[rank] for rank in range(world)]
