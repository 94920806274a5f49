"""NaN and infinity are refused before anything is measured: no comparison with NaN is true, so that it would rank first."""

from collections.abc import Sequence

from torch import Tensor

from sacl_mm.user_error import NonFiniteError

_MAX_NAMED = 5


def check_finite(values: Tensor, what: str, names: Sequence[object] | None = None) -> None:
    """Raises NonFiniteError, which says of how many rows, and of which ones, unless all numbers are finite.

    Args:
        values: any shape; its rows, along the first dimension, are what is counted.
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
