"""Checks of numbers from a user or a model; errors are one line that names the number and what it may be."""

import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real

from torch import Tensor

from sacl_mm.user_error import NonFiniteError

_MAX_NAMED = 5


def check_number(name: str, value: object, interval: str) -> None:
    """Raises ValueError unless `value` is a finite number in `interval`, written as in mathematics: '(0, 1]', '[0, inf)'.

    NaN, text, booleans and None are in no interval.
    """
    low, high = (float(end) for end in interval[1:-1].split(','))
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    above = low < number if interval[0] == '(' else low <= number
    below = number < high if interval[-1] == ')' else number <= high
    if not (above and below and math.isfinite(number)):
        raise ValueError(f'{name} must be a number in {interval}, got {value!r}')


def check_count(name: str, value: object, least: int = 1, most: float = math.inf) -> None:
    """Raises ValueError unless `value` is a whole number from `least` to `most`."""
    number = int(value) if isinstance(value, Integral) and not isinstance(value, bool) else math.nan
    if not least <= number <= most:
        bounds = f'of at least {least}' if most == math.inf else f'from {least} to {most}'
        raise ValueError(f'{name} must be a whole number {bounds}, got {value!r}')


def check_heads(width: int, num_heads: int) -> None:
    """Raises ValueError unless `num_heads` attention heads divide `width` among them."""
    check_count('width', width)
    check_count('num_heads', num_heads)
    if width % num_heads:
        raise ValueError(f'num_heads={num_heads} does not divide the width of {width}')


def first_and_last(name: str, value: object, interval: str) -> tuple[float, float]:
    """The ends of a schedule over the training, from (first, last) or from one constant number.

    Raises:
        ValueError: neither, or a number outside `interval`.
    """
    ends = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else (value, value)
    if len(ends) != 2:
        raise ValueError(f'{name} must be a number in {interval} or (first, last), got {value!r}')
    for end in ends:
        check_number(name, end, interval)
    return float(ends[0]), float(ends[1])


def check_optional_count(name: str, value: object) -> None:
    """Raises ValueError unless `value` is a whole number of at least 1, or None."""
    if value is not None:
        check_count(name, value)


def check_finite(values: Tensor, what: str, names: Sequence[object] | None = None) -> None:
    """Raises NonFiniteError, which counts and names the rows at fault, unless all numbers are finite: a NaN would rank first.

    Args:
        values: any shape; rows, along the first dimension, are counted.
        what: what the numbers are, e.g. 'image features'.
        names: of the rows; None: their places.
    """
    if values.numel() == 0 or not values.is_floating_point():
        return
    # The extremes are NaN if anything is; a mask of all numbers would take as much memory as they do.
    low, high = values.aminmax()
    if (low.isfinite() & high.isfinite()).item():
        return
    wrong = (~values.isfinite()).reshape(len(values) if values.ndim else 1, -1).any(dim=1).nonzero()[:, 0].tolist()
    named = ', '.join(str(row if names is None else names[row]) for row in wrong[:_MAX_NAMED])
    of_how_many = f'{len(wrong)} of {len(values)}' if values.ndim else '1 of 1'
    raise NonFiniteError(
        f'{what}: {of_how_many} not finite (NaN or infinity): {named}{", ..." if len(wrong) > _MAX_NAMED else ""}. The model '
        'has diverged, or its weights or inputs are damaged, and there is nothing to measure'
    )
