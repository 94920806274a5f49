"""Weights of a model shared out among processes, with PyTorch's `fully_shard` (FSDP2)."""

import warnings
from collections import Counter
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor


def shard(model: nn.Module, device: str) -> int:
    """Let each process keep its part of every parameter, in place; names stay as they are.

    Each layer of each stack (`nn.ModuleList`) is gathered by itself while it computes, in student and teacher alike, so that
    the teacher's parameters are sharded as the student's and follow them part by part. The rest of the model is gathered for
    the whole of a step. Buffers (a queue) and parameters without a dimension (the temperature) stay whole on every process.
    `load_state_dict` takes whole weights, equal on all processes.

    Args:
        model: with equal weights on all processes, on the device.
        device: its type.

    Returns:
        How many layers are gathered by themselves.
    """
    mesh = init_device_mesh(device, (dist.get_world_size(),))
    scalars = {parameter for parameter in model.parameters() if parameter.ndim == 0}
    for scalar in scalars:
        if scalar.requires_grad:
            scalar.register_post_accumulate_grad_hook(_average_gradient)
    # Of `project`, whose keys and values nothing changes in place.
    warnings.filterwarnings('ignore', r'FSDP2-wrapped module \(FSDP\w+\) returned a view tensor')
    layers = _layers(model)
    for layer in layers:
        fully_shard(layer, mesh=mesh)
        # What a layer computes outside its forward pass.
        if hasattr(layer, 'project'):
            register_fsdp_forward_method(layer, 'project')
    fully_shard(model, mesh=mesh, ignored_params=scalars)
    for part in model.modules():
        part.register_load_state_dict_pre_hook(_take_part)
    return len(layers)


def whole(tensor: Tensor) -> Tensor:
    """A sharded tensor, gathered, which all processes must do together; other tensors as they are."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def part_of(value: Any, parameter: Tensor) -> Any:
    """This process's part of a whole tensor of a sharded parameter's shape; anything else as it is."""
    is_whole = isinstance(value, Tensor) and not isinstance(value, DTensor) and value.shape == parameter.shape
    if not is_whole or not isinstance(parameter, DTensor):
        return value
    # All processes have the same whole tensor: nothing needs to be sent.
    return distribute_tensor(value, parameter.device_mesh, parameter.placements, src_data_rank=None)


def gather_weights(model: nn.Module) -> None:
    """Make every parameter whole until `release_weights`."""
    for part in _sharded(model):
        part.set_reshard_after_forward(False, recurse=False)
        part.unshard()


def release_weights(model: nn.Module) -> None:
    """Keep only this process's part of every parameter again."""
    for part in _sharded(model):
        part.reshard()
        part.set_reshard_after_forward(part is not model, recurse=False)


def _sharded(model: nn.Module) -> list[FSDPModule]:
    return [part for part in model.modules() if isinstance(part, FSDPModule)]


def _layers(model: nn.Module) -> list[nn.Module]:
    """The layers of all stacks, inner ones first; without those that share parameters with others (`PairedFusionEncoder`) or
    are called in parts (`TokenReducedViT`)."""
    layers = [layer for stack in model.modules() if isinstance(stack, nn.ModuleList) for layer in stack]
    whole_ones = [layer for layer in reversed(layers) if not getattr(layer, 'called_in_parts', False)]
    everywhere = _uses(model)
    return [layer for layer in whole_ones if (inside := _uses(layer)) and inside.items() <= everywhere.items()]


def _uses(module: nn.Module) -> Counter:
    """How often each parameter is used in the module, by identity."""
    return Counter(id(parameter) for _, parameter in module.named_parameters(remove_duplicate=False))


def _take_part(module: nn.Module, state: dict[str, Tensor], prefix: str, *_) -> None:
    """Runs after the module's own hooks, which may resize position embeddings."""
    for name, parameter in module.named_parameters(recurse=False):
        if prefix + name in state:
            state[prefix + name] = part_of(state[prefix + name], parameter)


@torch.no_grad()
def _average_gradient(parameter: Tensor) -> None:
    dist.all_reduce(parameter.grad)
    parameter.grad /= dist.get_world_size()
