"""What the benchmarks share: alternating runs, peak memory, operations, the rate of matrix products here, and a table."""

import statistics
import time
from collections.abc import Callable, Mapping

import torch
from rich.console import Console
from rich.table import Table
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

_STATUS = '/proc/self/status'


def alternate(
    sides: Mapping[str, Callable[[], object]], repeats: int, device: torch.device
) -> dict[str, tuple[float, float]]:
    """Median and spread (half the interquartile range) in seconds of each side's run time, the sides taking turns, so that a
    machine's moods fall on all of them; one more turn comes first and does not count."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(repeats + 1):
        for name, run in sides.items():
            _wait(device)
            start = time.perf_counter()
            run()
            _wait(device)
            if turn:
                times[name].append(time.perf_counter() - start)
    result = {}
    for name, values in times.items():
        quartiles = statistics.quantiles(values, n=4) if len(values) > 1 else [values[0]] * 3
        result[name] = statistics.median(values), (quartiles[2] - quartiles[0]) / 2
    return result


def peak_memory(run: Callable[[], object], device: torch.device) -> float:
    """MiB that a run needs on top of what was there before it: of the GPU, or of this process (Linux)."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        run()
        torch.cuda.synchronize(device)
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    with open('/proc/self/clear_refs', 'w') as file:
        file.write('5')  # the peak starts anew
    before = _status('VmRSS')
    run()
    return (_status('VmHWM') - before) / 2**10


def memory() -> float:
    """MiB that this process has (Linux)."""
    return _status('VmRSS') / 2**10


def matrix_product_rate(device: torch.device, dtype: torch.dtype = torch.float32, size: int = 2048) -> float:
    """GFLOP/s of a large matrix product, what a computation could reach at best here."""
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    with torch.no_grad():
        (seconds, _) = alternate({'product': lambda: a @ b}, repeats=5, device=device)['product']
    return 2 * size**3 / seconds / 1e9


def operations(run: Callable[[], object]) -> int:
    """Floating-point operations of the matrix products of a run, as torch counts them."""
    # The counter does not know the CPU's fused attention.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        run()
    return counter.get_total_flops()


def print_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """The results, with the machine in the title."""
    table = Table(*columns, title=title, title_justify='left')
    for row in rows:
        table.add_row(*row)
    Console(width=140).print(table)


def machine(device: torch.device) -> str:
    """The machine in words, for the title."""
    if device.type == 'cuda':
        return torch.cuda.get_device_name(device)
    return f'CPU, {torch.get_num_threads()} threads, torch {torch.__version__}'


def _wait(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def _status(name: str) -> int:
    """A line of /proc/self/status, in KiB."""
    with open(_STATUS) as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name + ':'))
