"""Activations that cost less to compute again than to keep.

A linear layer keeps its input and its weight for the backward pass. Behind GELU or layer normalisation the input is a cheap
function of what these keep themselves, and in mixed precision the weight is a copy of the parameter in fewer bits. So neither
needs to be kept: of the 16 widths per token that a layer of a ViT holds until the backward pass, 10 are left. (Korthikanti et
al., "Reducing Activation Recomputation in Large Transformer Models", arXiv 2205.05198, choose what to compute again by such
reasoning; checkpointing computes everything again, see `checkpointing.py`.)
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.overrides import TorchFunctionMode


def recomputed_activations() -> AbstractContextManager:
    """Where layers run, ours or other libraries': what linear layers and attention get from `gelu`, `layer_norm`, a cast of
    autocast, or from what is `recomputable`, is computed again in the backward pass. Outputs and gradients stay the same, bit
    by bit. Inside of checkpointing, which keeps nothing, this changes nothing, nor inside of compiled code."""
    return _Recomputation() if torch.is_grad_enabled() and not torch.compiler.is_compiling() else nullcontext()


def recomputable(x: Tensor, again: Callable[[], Tensor]) -> Tensor:
    """`x`, which `again` gives a second time. Let `again` hold no tensor but what the graph of `x` keeps anyway."""
    if x.requires_grad and not is_kept_otherwise():
        setattr(x, _AGAIN, (again, x._version))
    return x


# The attribute of a tensor that can be computed again.
_AGAIN = 'computed_again'

# PyTorch has no public way to ask; without this one, nothing is computed again.
_outer_hooks = getattr(torch._C._autograd, '_top_saved_tensors_default_hooks', None)


class _Recomputation(TorchFunctionMode):
    def __torch_function__(self, function: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if function in _SPECIAL and not is_kept_otherwise():
            function = _SPECIAL[function]
        return function(*args, **(kwargs or {}))


def is_kept_otherwise() -> bool:
    """Whether others decide what becomes of kept tensors: a compiler, or checkpointing, which may give each but once."""
    return torch.compiler.is_compiling() or _outer_hooks is None or _outer_hooks(True) is not None


def _gelu(input: Tensor, *, approximate: str = 'none') -> Tensor:
    out = F.gelu(input, approximate=approximate)
    node: Any = out.grad_fn
    return out if node is None else recomputable(out, lambda: F.gelu(node._saved_self, approximate=approximate))


def _layer_norm(
    input: Tensor,
    normalized_shape: list[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    out = F.layer_norm(input, normalized_shape, weight, bias, eps)
    node: Any = out.grad_fn
    if node is None:
        return out
    return recomputable(
        out, lambda: F.layer_norm(node._saved_input, normalized_shape, node._saved_weight, node._saved_bias, eps)
    )


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    # Out of sight, autocast would keep what it casts.
    cast_input, cast_weight = _as_autocast(input), _as_autocast(weight)
    with _recomputing(_again(input, cast_input), _again(weight, cast_weight)):
        return F.linear(cast_input, cast_weight, bias)


def _attention(query: Tensor, key: Tensor, value: Tensor, *args: Any, **options: Any) -> Tensor:
    with _recomputing(_again(key, key), _again(value, value)):
        return F.scaled_dot_product_attention(query, key, value, *args, **options)


_SPECIAL: dict[Callable, Callable] = {
    F.gelu: _gelu,
    F.layer_norm: _layer_norm,
    F.linear: _linear,
    F.scaled_dot_product_attention: _attention,
}


def _as_autocast(x: Tensor) -> Tensor:
    device = x.device.type
    if x.dtype == torch.float32 and torch.is_autocast_enabled(device):
        return x.to(torch.get_autocast_dtype(device))
    return x


class _Again:
    """How to get a tensor a second time, in the precision of `used`."""

    def __init__(self, used: Tensor, compute: Callable[[], Tensor]) -> None:
        # Not the tensor itself: autograd keeps all that its hooks refer to.
        self.address, self.count, self.dtype, self.compute = used.data_ptr(), used.numel(), used.dtype, compute

    def gives(self, kept: Tensor) -> bool:
        """Whether `kept` is another view of all of it."""
        return kept.data_ptr() == self.address and kept.numel() == self.count

    def __call__(self, shape: torch.Size, stride: tuple[int, ...]) -> Tensor:
        x = self.compute().to(self.dtype)
        return x.as_strided(shape, stride, x.storage_offset())


def _again(x: Tensor, used: Tensor) -> _Again | None:
    """For `used`, which is `x` or a cast of it; None where it has to be kept, or is kept by others."""
    compute, version = getattr(x, _AGAIN, (None, None))
    if x._version != version:  # changed in place since
        compute = None
    if compute is None and used is not x and x.is_leaf:
        compute = _unchanged(x)
    return None if compute is None or used.numel() == 0 else _Again(used, compute)


def _unchanged(parameter: Tensor) -> Callable[[], Tensor]:
    version = parameter._version

    def get() -> Tensor:
        if parameter._version != version:
            raise RuntimeError(
                f'a parameter of shape {tuple(parameter.shape)} was changed before the backward pass used it'
            )
        return parameter

    return get


def _recomputing(*inputs: _Again | None) -> AbstractContextManager:
    """In which autograd keeps no tensor that one of these can give again."""
    known = [again for again in inputs if again is not None]

    def pack(kept: Tensor) -> Tensor | tuple:
        again = next((again for again in known if again.gives(kept)), None)
        return kept if again is None else (again, kept.shape, kept.stride())

    def unpack(packed: Tensor | tuple) -> Tensor:
        return packed if isinstance(packed, Tensor) else packed[0](*packed[1:])

    return saved_tensors_hooks(pack, unpack) if known else nullcontext()
