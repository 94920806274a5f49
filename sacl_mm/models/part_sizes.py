"""Checks that the parts of a model fit each other, when it is built and not at the first batch."""

from typing import Any

from torch import Tensor, nn

from sacl_mm.user_error import UserError


def check_towers(data_preprocessor: Any, towers: nn.Module) -> None:
    """Raises ValueError if the preprocessor accepts token ids that the text backbone does not have; one without a vocabulary
    takes the towers'."""
    let_through = getattr(data_preprocessor, 'vocab_size', None)
    known = _vocabulary(towers)
    if let_through is None and hasattr(data_preprocessor, 'vocab_size'):
        data_preprocessor.vocab_size = known
    if let_through is not None and known is not None and let_through > known:
        raise ValueError(
            f'the data_preprocessor has a vocab_size of {let_through}, the text backbone one of {known}: give both that of '
            'the tokenizer'
        )


def check_vocabulary(name: str, size: int, towers: nn.Module) -> None:
    """Raises ValueError unless a head that is tied to the text backbone's embeddings has as many words."""
    known = _vocabulary(towers)
    if known is not None and size != known:
        raise ValueError(f'{name} has a vocab_size of {size}, the text backbone, to which it is tied, one of {known}')


def check_widths(towers: nn.Module, multimodal_backbone: nn.Module, **heads: nn.Module) -> None:
    """Raises ValueError unless the multimodal backbone takes the widths of the towers' texts and images, and the heads its
    width; or if the towers have no tokens for it."""
    if not getattr(towers, 'has_tokens', True):
        raise ValueError(
            f'{type(towers).__name__} has features of whole images and texts, but no tokens for a multimodal_backbone: use a '
            'DualEncoder, or a TwoTower'
        )
    ours, fused = "the multimodal_backbone's", multimodal_backbone
    widths = [
        (f'{ours} width', fused, 'width', "the text_backbone's width", getattr(towers, 'text_backbone', None), 'width'),
        (f'{ours} image_width', fused, 'image_width', "the neck's", getattr(towers, 'neck', None), 'out_channels'),
    ]
    widths += [(f"{name}'s width", head, 'width', ours, fused, 'width') for name, head in heads.items()]
    for name, part, attribute, other_name, other, other_attribute in widths:
        # A part of another library may lack the attribute.
        size, other_size = getattr(part, attribute, None), getattr(other, other_attribute, None)
        if size is not None and other_size is not None and size != other_size:
            raise ValueError(f'{name} is {size}, {other_name} is {other_size}: they must be equal')


def check_answers_fit(token_ids_AL: Tensor, answer_decoder: nn.Module) -> None:
    """Raises ValueError if the list of answers has token ids, or lengths, that are too large for the decoder."""
    embeddings = getattr(answer_decoder, 'embeddings', None)
    if embeddings is None:
        return
    words, positions = embeddings.word_embeddings.num_embeddings, embeddings.position_embeddings.num_embeddings
    largest, longest = int(token_ids_AL.max()), token_ids_AL.shape[1]
    if largest >= words:
        raise ValueError(
            f"the answers have token id {largest}, the answer_decoder a vocab_size of {words}: give it the tokenizer's"
        )
    if longest > positions:
        raise ValueError(
            f'the longest answer has {longest} tokens, the answer_decoder a max_length of {positions}: make that larger'
        )


def check_longest_text(model: nn.Module, field: str, tokens: int) -> None:
    """Raises UserError if the part that reads a field of the data ('text', 'gt_answer') has fewer positions than its texts."""
    model = getattr(model, 'module', model)  # of a distributed wrapper
    part = {'text': 'towers.text_backbone.bert', 'gt_answer': 'answer_decoder'}.get(field)
    try:
        embeddings: Any = model.get_submodule(f'{part}.embeddings')
    except AttributeError:  # a part of another library, or weights that are not shared out yet
        return
    positions = embeddings.position_embeddings.num_embeddings
    if tokens > positions:
        raise UserError(
            f'a text ({field}) of {tokens} tokens is longer than the {positions} positions of the model: give the '
            f"pipeline's TokenizeText max_length={positions}, or the model a larger max_length"
        )


def _vocabulary(towers: nn.Module) -> int | None:
    return getattr(getattr(towers, 'text_backbone', towers), 'vocab_size', None)
