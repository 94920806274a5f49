"""`torch.compile` for the parts of a model that are worth it."""

from torch import nn


def compile_layers(model: nn.Module, **options) -> int:
    """Compile each layer of each stack (`nn.ModuleList`) by itself, in place; state dicts stay as they are.

    Layers of a stack share their code, so that it is compiled once, in seconds. MMEngine's own switch compiles `train_step`,
    optimizer wrapper included, which torch 2.13 refuses.

    Args:
        model: any; its teacher's layers are compiled, too.
        options: of `torch.compile`.

    Returns:
        How many layers there are.
    """
    layers = [layer for stack in model.modules() if isinstance(stack, nn.ModuleList) for layer in stack]
    for layer in layers:
        layer.compile(**options)
    return len(layers)
