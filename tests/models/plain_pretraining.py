"""A pre-training loss in the order of operations of ALBEF's equations (arXiv 2107.07651, Sec. 3), which nothing makes fast:

every text of a pass gets its own copy of the image and of its keys and values; matching and not matching pairs are two
passes over all layers and tokens; attention is written out; the vocabulary is predicted at every position, and what was not
masked is left out afterwards; the contrast has all its similarities at once.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from sacl_mm.functional.keyed_random import sample_hard_negatives
from sacl_mm.functional.masking import mask_tokens


def plain_losses(model, batch: dict) -> dict[str, Tensor]:
    """`loss_itc`, `loss_itm` and `loss_mlm` of a `SACLPretrain` with InfoNCE's weights, on one process, with dropout off."""
    teacher = model.teacher
    images, features, texts, text_features = towers(model.towers, batch, batch['token_ids'])
    with torch.no_grad():
        taught, taught_features, _, taught_text_features = towers(teacher.towers, batch, batch['token_ids'])
    return dict(
        loss_itc=contrast(model, batch, features, text_features, taught_features, taught_text_features),
        loss_itm=matching(model, batch, images, features, texts, text_features),
        loss_mlm=masked_language(model, batch, images, taught),
    )


def towers(model, batch: dict, token_ids_BL: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    images_BNC = model.neck(model.vision_backbone(batch['images']))[-1]
    texts_BLC = model.text_backbone(token_ids_BL, batch['text_mask'])
    features = F.normalize(model.image_projection(images_BNC[:, 0]), dim=-1)
    return images_BNC, features, texts_BLC, F.normalize(model.text_projection(texts_BLC[:, 0]), dim=-1)


def contrast(model, batch: dict, image_BE, text_BE, taught_image_BE, taught_text_BE) -> Tensor:
    queue, temperature = model.queue.bank(), model.contrastive_loss.temperature
    filled = queue.image_ids >= 0
    share = model.contrastive_loss.policy.weight * min(1.0, model.progress / model.contrastive_loss.policy.ramp)
    same_BM = batch['image_ids'][:, None] == torch.cat([batch['image_ids'], queue.image_ids[filled]])[None]
    hard_BM = same_BM / same_BM.sum(dim=1, keepdim=True)
    losses = []
    for anchor, taught, others, queued in (
        (image_BE, taught_image_BE, taught_text_BE, queue.features.text),
        (text_BE, taught_text_BE, taught_image_BE, queue.features.image),
    ):
        candidates_ME = torch.cat([others, queued[filled]])
        soft_BM = (taught @ candidates_ME.t() / temperature.detach()).softmax(dim=1)
        target_BM = share * soft_BM + (1 - share) * hard_BM
        log_p_BM = (anchor @ candidates_ME.t() / temperature).log_softmax(dim=1)
        losses.append(-(target_BM * log_p_BM).sum(dim=1).mean())
    return sum(losses) / 2


def matching(model, batch: dict, images_BNC, image_BE, texts_BLC, text_BE) -> Tensor:
    mask_BL, ids = batch['text_mask'], batch['image_ids']
    similarity_BB = (image_BE @ text_BE.t() / model.contrastive_loss.temperature).detach()
    same_BB = ids[:, None] == ids[None]
    text_of_B, image_of_B = (
        sample_hard_negatives(scores, same_BB, batch['text_ids'], batch['text_ids'], 2 * model.step_seed + direction)
        for direction, scores in enumerate((similarity_BB, similarity_BB.t()))
    )
    positive_BLC = fuse(model.multimodal_backbone, texts_BLC, mask_BL, images_BNC)
    negative_RLC = fuse(
        model.multimodal_backbone,
        torch.cat([texts_BLC[text_of_B], texts_BLC]),
        torch.cat([mask_BL[text_of_B], mask_BL]),
        torch.cat([images_BNC, images_BNC[image_of_B]]),
    )
    logits_R2 = model.matching_head.classifier(torch.cat([positive_BLC, negative_RLC])[:, 0])
    return F.cross_entropy(logits_R2, torch.tensor([1] * len(ids) + [0] * 2 * len(ids)))


def masked_language(model, batch: dict, images_BNC, taught_BNC) -> Tensor:
    mask_BL, size = batch['text_mask'], model.data_preprocessor.vocab_size
    masked = mask_tokens(batch['token_ids'], mask_BL, batch['text_ids'], model.step_seed, model.mask_token, size)

    def log_probability(side, images_BNC: Tensor) -> Tensor:
        texts_BLC = side.towers.text_backbone(masked.token_ids_BL, mask_BL)
        fused_BLC = fuse(side.multimodal_backbone, texts_BLC, mask_BL, images_BNC)
        return side.masked_language_head(fused_BLC, side.towers.text_backbone.word_embeddings.weight).log_softmax(dim=2)

    log_p_BLV = log_probability(model, images_BNC)
    with torch.no_grad():
        soft_BLV = log_probability(model.teacher, taught_BNC).exp()
    target_BL = batch['token_ids'].masked_fill(~masked.predict_BL, -100)
    hard = F.nll_loss(log_p_BLV.flatten(0, 1), target_BL.flatten(), ignore_index=-100)
    soft = -(soft_BLV * log_p_BLV).sum(dim=2)[target_BL != -100].mean()
    share = model.mlm_distillation * min(1.0, model.progress / model.ramp)
    return (1 - share) * hard + share * soft


def fuse(fusion, text_RLC: Tensor, mask_RL: Tensor, image_RNC: Tensor) -> Tensor:
    """BERT's layers with cross-attention; row r reads image r."""
    for layer in fusion.layers:
        for attention, norm, context, seen in (
            (layer.self_attention, layer.self_attention_norm, text_RLC, mask_RL),
            (layer.cross_attention, layer.cross_attention_norm, image_RNC, None),
        ):
            context = text_RLC if attention is layer.self_attention else context
            text_RLC = norm(text_RLC + attend(attention, text_RLC, context, seen))
        text_RLC = layer.feed_forward_norm(text_RLC + layer.contract(F.gelu(layer.expand(text_RLC))))
    return text_RLC


def attend(attention, x_RLC: Tensor, context_RNC: Tensor, mask_RN: Tensor | None) -> Tensor:
    heads = attention.heads
    query, key, value = (
        projection(tokens).unflatten(-1, (heads, -1)).transpose(1, 2)
        for projection, tokens in (
            (attention.query, x_RLC),
            (attention.key, context_RNC),
            (attention.value, context_RNC),
        )
    )
    scores_RHLN = query @ key.transpose(2, 3) / query.shape[-1] ** 0.5
    if mask_RN is not None:
        scores_RHLN = scores_RHLN.masked_fill(~mask_RN[:, None, None], -torch.inf)
    return attention.output((scores_RHLN.softmax(dim=-1) @ value).transpose(1, 2).flatten(2))
