"""Linear layers in float32 through oneDNN, on AMD's processors.

PyTorch gives such products to Intel's MKL, which is somewhat slower there: what it costs a step, docs/benchmarks.md says.

Shapes: * any dimensions, N their product, I inputs, O outputs.
"""

from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Multiplications from which it pays. For every shape of a product oneDNN makes code, and keeps it.
_LARGE = 2**27


def onednn_linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`torch.nn.functional.linear`, with its arguments (*, I), (O, I) and (O,), to the rounding of float32."""
    if not _is_faster(input, weight, bias):
        return F.linear(input, weight, bias)
    # In rows, because of more dimensions oneDNN's operator returns a view of a tensor that autograd does not know.
    x_NI = input.reshape(-1, input.shape[-1])
    y_NO = _OneDNNLinear.apply(x_NI, weight, bias) if torch.is_grad_enabled() else _product(x_NI, weight, bias)
    return y_NO.view(*input.shape[:-1], len(weight))


def _is_faster(x: Tensor, weight_OI: Tensor, bias_O: Tensor | None) -> bool:
    return (
        x.numel() * len(weight_OI) >= _LARGE
        and all(_is_plain(tensor) for tensor in (x, weight_OI, bias_O) if tensor is not None)
        and not torch.is_autocast_enabled('cpu')
        and not torch.compiler.is_compiling()
        and _is_amd()
    )


def _is_plain(x: Tensor) -> bool:
    return type(x) in (Tensor, nn.Parameter) and x.dtype == torch.float32 and x.device.type == 'cpu'


@cache
def _is_amd() -> bool:
    # Neither the name nor the product is there in every release and build of PyTorch.
    if not hasattr(torch.cpu, 'get_capabilities') or not hasattr(torch.ops.mkldnn, '_linear_pointwise'):
        return False
    return 'AMD' in torch.cpu.get_capabilities().get('cpu_name', '')


class _OneDNNLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_NI: Tensor, weight_OI: Tensor, bias_O: Tensor | None) -> Tensor:
        ctx.save_for_backward(x_NI, weight_OI)
        return _product(x_NI, weight_OI, bias_O)

    @staticmethod
    def backward(ctx: Any, gradient_NO: Tensor) -> tuple[Tensor | None, ...]:
        x_NI, weight_OI = ctx.saved_tensors
        of_x_NI = of_weight_OI = of_bias_O = None
        if ctx.needs_input_grad[0]:
            of_x_NI = onednn_linear(gradient_NO, weight_OI.t())
        if ctx.needs_input_grad[1]:
            of_weight_OI = gradient_NO.t() @ x_NI  # oneDNN is no faster at this one
        if ctx.needs_input_grad[2]:
            of_bias_O = gradient_NO.sum(dim=0)
        return of_x_NI, of_weight_OI, of_bias_O


def _product(x_NI: Tensor, weight_OI: Tensor, bias_O: Tensor | None) -> Tensor:
    # What `torch.compile` makes of a linear layer, whose weight need not lie contiguous.
    return torch.ops.mkldnn._linear_pointwise(x_NI, weight_OI, bias_O, 'none', [], '')
