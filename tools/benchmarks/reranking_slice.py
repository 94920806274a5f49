"""The problem of tools/benchmarks/reranking.py: random features, their candidates, and the slice of it that is measured."""

from argparse import Namespace

import torch
import torch.nn.functional as F
from torch import Tensor

from sacl_mm.functional.ranking import top_candidates

CLS, FIRST_WORD = 101, 999
LONGEST = 30  # of the texts, in tokens


class Slice:
    """P images and T texts, all that the measured queries need; the first `queries` of either are the queries.

    `images`, `texts` and `pairs` count the whole problem; `image_R` and `text_R` are the pairs in which the first images
    and some text are candidates of one another, in at least one direction.
    """

    def __init__(self, args: Namespace, size: dict) -> None:
        self.k, self.queries, self.images, self.texts = args.k, args.queries, args.images, args.texts
        # A text is near its image and what is like it, and all images lie a little apart from all texts. Nearly all of
        # an image's candidates then ask for it themselves, as with trained models: the union is about 2 % larger than what
        # the texts ask for.
        meaning, apart = torch.randn(args.images, 32), 0.5 * torch.randn(32)
        image = _feature(meaning + apart)
        text = _feature(meaning[torch.arange(args.texts) * args.images // args.texts] - apart)
        cosine = image @ text.t()
        by_image, by_text = top_candidates(cosine, args.k), top_candidates(cosine.t(), args.k).t()
        wanted = by_image | by_text
        self.pairs = int(wanted.sum())

        pairs_of_image = wanted.sum(dim=1)
        typical = (pairs_of_image - self.pairs / args.images).abs().argsort()[: args.queries]
        asking = by_text[typical[0]].byte().argsort(descending=True, stable=True)[: args.queries]
        images = _chosen_and_needed(typical, by_text[:, asking].any(dim=1))
        texts = _chosen_and_needed(asking, wanted[typical].any(dim=0))
        self.image_R, self.text_R = wanted[typical][:, texts].nonzero(as_tuple=True)

        device = torch.device(args.device)
        self.image_PE, self.text_TE = image[images].to(device), text[texts].to(device)
        self.cosine_PT = cosine[images][:, texts].to(device)
        tokens = (args.image_size // size['patch']) ** 2 + 1
        self.tokens_PNC = torch.randn(len(images), tokens, size['width']).to(device)  # as after a LayerNorm
        length_T = (13 + 3.5 * torch.randn(len(texts))).round().clamp(6, LONGEST)  # as captions of Flickr30K and COCO
        mask_TL = torch.arange(LONGEST) < length_T[:, None]
        ids_TL = torch.randint(min(FIRST_WORD, size['vocab'] // 2), size['vocab'], mask_TL.shape) * mask_TL
        ids_TL[:, 0] = CLS
        self.ids_TL, self.mask_TL = ids_TL.to(device), mask_TL.to(device)


def _feature(meaning: Tensor) -> Tensor:
    return F.normalize(meaning + 0.3 * torch.randn_like(meaning))


def _chosen_and_needed(chosen: Tensor, needed_N: Tensor) -> Tensor:
    """The chosen ones first, then the others that are needed."""
    return torch.cat([chosen, needed_N.index_fill(0, chosen, False).nonzero()[:, 0]])
