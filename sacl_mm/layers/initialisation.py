"""Random initial weights."""

from torch import nn

_BERT_STD, _BERT_WIDTH = 0.02, 768


def init_as_bert(module: nn.Module, width: int) -> None:
    """Normal weights and zero biases for every linear map and embedding; BERT's standard deviation of 0.02 at its width of
    768, in proportion to 1 / sqrt(width) elsewhere, which keeps the scale of outputs.

    With 0.02 at width 128 cross-attention's output is a few percent of the residual stream, and attention to the image stays
    uniform for thousands of steps.
    """
    std = _BERT_STD * (_BERT_WIDTH / width) ** 0.5
    for part in module.modules():
        if isinstance(part, (nn.Linear, nn.Embedding)):
            nn.init.normal_(part.weight, std=std)
        if isinstance(part, nn.Linear):
            nn.init.zeros_(part.bias)
