"""The sides of tools/benchmarks/reranking.py: how ours, ALBEF and mmpretrain score candidates."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from albef_code import ours, randomised
from reranking_slice import Slice
from torch import Tensor, nn

from sacl_mm.engine.runner.encoded_texts import EncodedTexts

Match = Callable[[Tensor, Tensor], Tensor]


class Work(NamedTuple):
    """What is timed, and how often it fits into the whole problem."""

    run: Callable[[], object]
    times: float


def our_model(albef: nn.Module | None, size: dict) -> nn.Module:
    heads = dict(
        matching_head=dict(type='MatchingHead', width=size['width']),
        contrastive_loss=dict(type='SACLContrastiveLoss', policy=dict(type='InfoNCE')),
    )
    if albef is None:
        return randomised(ours(None, 'ImageTextRetrieval', size, **heads))
    return ours(albef, 'ImageTextRetrieval', size, momentum=dict(decay=0.995), **heads)


def image_by_image(model: nn.Module, part: Slice, scores_PT: Tensor) -> Work:
    """What `sacl_mm.engine.RerankingTestLoop` does with a batch of images."""
    with torch.no_grad():
        texts = EncodedTexts(model, [ids[mask].cpu() for ids, mask in zip(part.ids_TL, part.mask_TL, strict=True)])

    def run() -> None:
        keys_values = model.multimodal_backbone.project(part.tokens_PNC[: part.queries])
        scores_R = texts.match(model, keys_values, part.text_R, part.image_R)
        scores_PT[part.image_R, part.text_R] = scores_R.to(scores_PT)

    return Work(run, part.pairs / len(part.text_R))


def query_by_query(match: Match, part: Slice, scores_PT: Tensor) -> list[Work]:
    """The order of ALBEF's evaluation; `match` is given the text and the image of each pair."""

    def with_images() -> None:
        for image in range(part.queries):
            texts = part.cosine_PT[image].topk(part.k).indices
            scores_PT[image, texts] = match(texts, torch.full_like(texts, image))

    def with_texts() -> None:
        for text in range(part.queries):
            images = part.cosine_PT[:, text].topk(part.k).indices
            scores_PT[images, text] = match(torch.full_like(images, text), images)

    return [Work(with_images, part.images / part.queries), Work(with_texts, part.texts / part.queries)]


@torch.no_grad()
def encoded(part: Slice, encode: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The padded tokens of all texts, some at a time."""
    return torch.cat([encode(*rows) for rows in zip(part.ids_TL.split(128), part.mask_TL.split(128), strict=True)])


def albef_match(albef: nn.Module, part: Slice) -> Match:
    def encoder(**inputs) -> Tensor:
        return albef.text_encoder(**inputs, return_dict=True).last_hidden_state

    tokens = encoded(part, lambda ids, mask: encoder(input_ids=ids, attention_mask=mask.long(), mode='text'))

    def match(texts: Tensor, images: Tensor) -> Tensor:
        image = part.tokens_PNC[images]
        rows = dict(encoder_embeds=tokens[texts], attention_mask=part.mask_TL[texts].long())
        rows |= dict(encoder_hidden_states=image, encoder_attention_mask=image.new_ones(image.shape[:2]))
        return albef.itm_head(encoder(**rows, mode='fusion')[:, 0])[:, 1]

    return match


def plain_match(model: nn.Module, part: Slice) -> Match:
    """Every row projects its own image, and every token goes through every layer."""
    tokens = encoded(part, lambda ids, mask: model.towers.encode_text(ids, mask).tokens)

    def match(texts: Tensor, images: Tensor) -> Tensor:
        keys_values = model.multimodal_backbone.project(part.tokens_PNC[images])
        return model.matching_head(model.multimodal_backbone(tokens[texts], part.mask_TL[texts], keys_values))[:, 1]

    return match


def blip(size: dict, part: Slice) -> list[Work]:
    """mmpretrain's own order, which is ALBEF's; its text encoder begins with the words and fuses in every layer."""
    from mmpretrain.registry import MODELS
    from mmpretrain.utils import progress

    progress.disable_progress_bar = True
    width, unused = size['width'], dict(type='Linear', in_features=1, out_features=1)
    bert = dict(hidden_size=width, encoder_width=width, intermediate_size=4 * width, num_attention_heads=size['heads'])
    bert |= dict(vocab_size=size['vocab'], max_position_embeddings=size['positions'])
    config = dict(
        type='BlipRetrieval',
        vision_backbone=unused,
        vision_neck=unused,
        text_backbone=dict(
            type='XBertEncoder', med_config=bert | dict(add_type_embeddings=False, add_cross_attention=True)
        ),
        text_neck=unused,
        head=dict(type='ITCHead', embed_dim=1),
        multimodal_head=dict(type='ITMHead', hidden_size=width, with_pooler=False),
        topk=part.k,
    )
    model = MODELS.build(config).eval().to(part.ids_TL.device)
    images, texts = (part.image_PE, part.tokens_PNC), (part.text_TE, part.ids_TL, part.mask_TL.long())

    def few(tensors: tuple[Tensor, ...]) -> list[Tensor]:
        return [x[: part.queries] for x in tensors]

    with_images, with_texts = model.compute_score_matrix_i2t, model.compute_score_matrix_t2i
    return [
        Work(lambda: with_images(*few(images), *texts), part.images / part.queries),
        Work(lambda: with_texts(*images, *few(texts)), part.texts / part.queries),
    ]
