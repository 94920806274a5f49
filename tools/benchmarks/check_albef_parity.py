#!/usr/bin/env python
"""Compare ALBEF's own models with ours: `python tools/benchmarks/check_albef_parity.py ALBEF [--base]`.

ALBEF is a copy of github.com/salesforce/ALBEF, whose modules are imported and run. Its models get random weights, which are
converted and loaded into ours; both then get the same images and token ids, in evaluation mode and float32. The largest
difference in each output is printed; the exit code is 1 if one exceeds the tolerance. Nothing is downloaded.

Needs timm and a transformers that ALBEF's code can import (4.51.3 does).
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from albef_code import (
    ANSWERS,
    BASE,
    CLS,
    MASK,
    QUEUE,
    SMALL,
    TEXTS,
    Inputs,
    albef_builder,
    alone,
    ours,
    random_inputs,
    tokens,
)
from mmengine.structures import BaseDataElement
from torch import Tensor

from sacl_mm.engine.launch import run_tool
from sacl_mm.models.losses import FeaturePair, NegativeBank

CANDIDATES = 8  # of the answers
DISTILLATION = 0.4

Outputs = Iterator[tuple[str, Tensor, Tensor]]


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('albef', type=Path, help="folder of ALBEF's code")
    parser.add_argument('--base', action='store_true', help='the published size instead of a small one')
    parser.add_argument('--tolerance', type=float, default=1e-4, help='of each output (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0)
    return parser.parse_args()


# ------------------------------------------------------------------------------------------------------ comparisons
def pretraining(build: Callable, size: dict, inputs: Inputs) -> Outputs:
    """Also what the momentum models say, and the losses in which nothing is drawn at random."""
    albef = build('model_pretrain')
    distillation = dict(type='MomentumDistillation', weight=DISTILLATION, base_policy=dict(type='InfoNCE'))
    model = ours(
        albef,
        'SACLPretrain',
        size,
        matching_head=dict(type='MatchingHead', width=size['width']),
        masked_language_head=dict(type='MaskedLanguageHead', width=size['width'], vocab_size=size['vocab']),
        contrastive_loss=dict(type='SACLContrastiveLoss', policy=distillation),
        mask_token=MASK,
        queue_size=0,
        momentum=dict(decay=0.995, mlm_distillation=DISTILLATION),
    )
    yield 'temperature', albef.temp, model.contrastive_loss.temperature
    features, logits, both_logits = [], [], []
    for end, mine in (('', model), ('_m', model.teacher)):
        name = 'momentum model: ' if end else ''
        encoder = getattr(albef, f'text_encoder{end}')
        image = getattr(albef, f'visual_encoder{end}')(inputs.images)
        text = encoder.bert(**vars(inputs.text), return_dict=True, mode='text').last_hidden_state
        images, texts = mine.towers.encode_image(inputs.images), mine.towers.encode_text(*inputs.texts)
        features.append(FeaturePair(images.feature, texts.feature))
        yield f'{name}image tokens', image, images.tokens
        yield f'{name}text tokens', text[inputs.mask], texts.tokens[inputs.mask]
        image_feature = F.normalize(getattr(albef, f'vision_proj{end}')(image[:, 0]), dim=-1)
        text_feature = F.normalize(getattr(albef, f'text_proj{end}')(text[:, 0]), dim=-1)
        yield f'{name}image features', image_feature, images.feature
        yield f'{name}text features', text_feature, texts.feature

        fused = mine.multimodal_backbone(
            texts.tokens, inputs.mask, mine.multimodal_backbone.project(images.tokens), torch.arange(TEXTS)
        )
        logits.append(mine.masked_language_head(fused[inputs.mask], mine.towers.text_backbone.word_embeddings.weight))
        both_logits.append(encoder(**vars(inputs.text), **images_for(image), return_dict=True, return_logits=True))
        yield f'{name}MLM logits', both_logits[-1][inputs.mask], logits[-1]
        if mine is model:
            rows = dict(encoder_embeds=text, attention_mask=inputs.text.attention_mask, **images_for(image))
            theirs = encoder.bert(**rows, return_dict=True, mode='fusion').last_hidden_state
            yield 'ITM logits', albef.itm_head(theirs[:, 0]), model.matching_head(fused)
            own_image, own_fused = image, fused

    labels = inputs.text.input_ids.masked_fill(~inputs.mask, -100)
    targets = dict(labels=labels, soft_labels=both_logits[1].softmax(dim=-1), alpha=DISTILLATION)
    theirs = albef.text_encoder(**vars(inputs.text), **images_for(own_image), return_dict=True, **targets).loss
    words, soft = model.towers.text_backbone.word_embeddings.weight, logits[1].softmax(dim=-1)
    mine = model.masked_language_head.loss(own_fused[inputs.mask], words, labels[inputs.mask], soft, DISTILLATION)
    yield 'MLM loss, distilled', theirs, mine['loss_mlm']

    # ALBEF's forward enqueues this batch when it has its loss.
    queue = FeaturePair(albef.image_queue.t().clone(), albef.text_queue.t().clone())
    with alone('model_pretrain'):
        _, theirs, _ = albef(inputs.images, inputs.text, alpha=DISTILLATION)
    mine = model.contrastive_loss(
        *features[0],
        image_ids=torch.arange(TEXTS),
        evidence=dict(teacher=features[1]),
        candidates=features[1],
        bank=NegativeBank(queue, TEXTS + torch.arange(QUEUE), evidence=dict(teacher=queue)),
        progress=1.0,
    )
    yield 'ITC loss, distilled, with queue', theirs, mine


def retrieval(build: Callable, size: dict, inputs: Inputs) -> Outputs:
    """Texts in reverse order with the images, as in re-ranking."""
    albef = build('model_retrieval')
    heads = dict(
        matching_head=dict(type='MatchingHead', width=size['width']),
        contrastive_loss=dict(type='SACLContrastiveLoss', policy=dict(type='InfoNCE')),
    )
    model = ours(albef, 'ImageTextRetrieval', size, momentum=dict(decay=0.995), **heads)
    image = albef.visual_encoder(inputs.images)
    theirs = albef.text_encoder(**vars(inputs.text), **images_for(image.flip(0)), return_dict=True).last_hidden_state
    images, texts = model.towers.encode_image(inputs.images), model.towers.encode_text(*inputs.texts)
    keys_values = model.multimodal_backbone.project(images.tokens)
    mine = model.matching_logits(keys_values, texts.tokens, inputs.mask, torch.arange(TEXTS).flip(0))
    yield 'retrieval: ITM logits', albef.itm_head(theirs[:, 0]), mine


def question_answering(build: Callable, size: dict, inputs: Inputs) -> Outputs:
    """ALBEF's score counts the first token's probability twice; it is added to ours here."""
    albef = build('model_vqa')
    names = [str(number) for number in range(ANSWERS)]
    answer_ids = [row[row > 0].tolist() for row in inputs.answers.input_ids]
    model = ours(
        albef,
        'VisualQuestionAnswering',
        size,
        with_common_space=False,
        answer_decoder=dict(
            type='AnswerDecoder',
            width=size['width'],
            num_heads=size['heads'],
            vocab_size=size['vocab'],
            max_length=size['positions'],
        ),
        answers=names,
        tokenizer=SimpleNamespace(encode=lambda name: answer_ids[int(name)]),
    )
    decoder, fused = model.answer_decoder, model.fuse(inputs.batch)
    place, log_p = decoder.rank(
        fused, inputs.mask, inputs.answers.input_ids, inputs.answers.attention_mask.bool(), CANDIDATES
    )
    start, each = torch.full((TEXTS, 1), CLS), torch.arange(TEXTS)
    read = decoder(start, start > 0, decoder.project(fused), inputs.mask, each)
    first = decoder.logits(read[:, 0]).log_softmax(dim=1)
    twice = log_p + first[:, inputs.answers.input_ids[:, 1]].gather(1, place)
    theirs, probability = albef(inputs.images, inputs.text, inputs.answers, train=False, k=CANDIDATES)
    yield 'VQA: answers among the candidates', among(theirs, 1.0), among(place, 1.0)
    yield 'VQA: ranking scores', among(theirs, probability), among(place, twice.softmax(dim=1))

    # Training: two answers to each question, of different weights.
    weights, chosen = torch.tensor([0.3, 0.7]).repeat(TEXTS), inputs.answers.input_ids[: 2 * TEXTS]
    loss = albef(inputs.images, inputs.text, tokens(chosen, chosen > 0), k=[2] * TEXTS, weights=weights)
    samples = [
        BaseDataElement(gt_answer_token_ids=answer_ids[2 * i : 2 * i + 2], gt_answer_weight=[0.3, 0.7])
        for i in range(TEXTS)
    ]
    yield 'VQA: loss', loss, model.loss(inputs.batch | dict(data_samples=samples))['loss_answer']


def among(place: Tensor, values: Tensor | float) -> Tensor:
    """(questions, all answers): the values where the answers stand in the list, 0 elsewhere."""
    return torch.zeros(TEXTS, ANSWERS).scatter(1, place, values)


def image_pairs(build: Callable, size: dict, inputs: Inputs) -> Outputs:
    """The images of text b are b and b reversed."""
    paired = dict(type='PairedFusionEncoder', width=size['width'], image_width=size['width'], num_heads=size['heads'])
    options = dict(with_common_space=False, multimodal_backbone=paired)
    albef = build('model_nlvr')
    model = ours(albef, 'ImagePairReasoning', size, **options)
    images, labels = torch.cat([inputs.images, inputs.images.flip(0)]), torch.arange(TEXTS) % 2
    theirs = albef(images, inputs.text, targets=labels, train=False)
    yield 'NLVR2: logits', theirs, model.logits(inputs.batch | dict(images=images))

    albef = build('model_pretrain_nlvr')
    model = ours(albef, 'TextAssignment', size, **options)
    image = albef.visual_encoder(inputs.images)
    pair = images_for([image, image.flip(0)])
    theirs = albef.text_encoder(**vars(inputs.text), **pair, return_dict=True).last_hidden_state
    first = torch.arange(TEXTS)
    mine = model.assignment_head(model.fuse(inputs.batch, torch.stack([first, first.flip(0)], dim=1)))
    yield 'text assignment: logits', albef.ta_head(theirs[:, 0]), mine


def images_for(image: Tensor | list[Tensor]) -> dict:
    """ALBEF's arguments for the cross-attention: one image for each text, or two."""
    masks = [torch.ones(x.shape[:2]) for x in image] if isinstance(image, list) else torch.ones(image.shape[:2])
    return dict(encoder_hidden_states=image, encoder_attention_mask=masks)


@torch.no_grad()
def main() -> None:
    args = parse_args()
    size = BASE if args.base else SMALL
    torch.manual_seed(args.seed)
    build, inputs = albef_builder(args.albef, size), random_inputs(size)
    print(f'{"output":36}{"largest value":>15}{"largest difference":>21}')
    failed = False
    for compare in (pretraining, retrieval, question_answering, image_pairs):
        for name, theirs, mine in compare(build, size, inputs):
            difference = (theirs - mine).abs().max().item()
            failed |= not difference <= args.tolerance
            print(f'{name:36}{theirs.abs().max().item():15.4f}{difference:21.1e}', flush=True)
    print(f'{"FAILED" if failed else "passed"}: tolerance {args.tolerance}')
    sys.exit(int(failed))


if __name__ == '__main__':
    run_tool(main)
