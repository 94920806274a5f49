"""A vision transformer that merges or drops tokens between its layers. Shapes: B images, N image tokens, C width."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sacl_mm.compatibility import load_mmpretrain
from sacl_mm.functional.settings import check_count, check_number
from sacl_mm.layers.attention import KeyValue
from sacl_mm.layers.token_reduction import asked_importance, guided_score, merge_alike, query, reduce_tokens
from sacl_mm.registry import MODELS

load_mmpretrain()
from mmpretrain.models import VisionTransformer  # noqa: E402  (needs the above)
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer  # noqa: E402
from mmpretrain.models.utils import MultiheadAttention, resize_pos_embed  # noqa: E402


class MergedTokens(NamedTuple):
    """The output of a backbone that merges tokens; necks read its last entry."""

    sizes: Tensor
    """How many tokens each one stands for, (B, 1 + N'); with `guide='both'`, how many it counts for."""
    tokens: Tensor
    """(B, 1 + N', C)"""


@MODELS.register_module()
class TokenReducedViT(VisionTransformer):
    """mmpretrain's `VisionTransformer` with the same weights, in which some layers pass on only a share of the tokens.

    After such a layer's attention the share `keep_rate` of the tokens is left:

    * `guide='similarity'` (ToMe, arXiv 2210.09461): the most similar tokens are merged. A merged token carries its size, which
      weighs it in later layers and in the fusion encoder. At 70 and 50 % this costs least (docs/results.md).
    * `guide='text'` (TRIPS, arXiv 2305.04474v4, EMNLP 2022): tokens are scored by the text's first token through the layer's
      own query projection, without new parameters; the best stay, and the others are fused into one. Image features then
      depend on the text: each image needs one, of the same width, and features cannot be stored for retrieval among many
      texts. Not for contrastive losses, which would learn to find the text's traces instead of what the image shows
      (docs/results.md).
    * `guide='both'`: similar tokens are merged, and the text decides through a linear layer (`text_queries`) which tokens
      count for more: they are merged last and weigh more. The layer starts at zero, so a model trained with
      `guide='similarity'` is not changed by it at first. It helps where 30 % stay, and makes no difference at 50 %. Like
      `guide='text'`, for questions and statements, not for contrast (docs/results.md).

    Args:
        reduction_layers: the layer, or layers, after whose attention tokens are reduced, counted from 1.
        keep_rate: share of the tokens that each reduction keeps.
        fuse: with `guide='text'`, whether the other tokens are fused into one (True) or dropped.
        guide: 'similarity', 'text' or 'both'.
        out_type: 'raw', all tokens (of the last layer alone, where they are reduced); 'cls_token', for mmpretrain's
            `VisionTransformerClsHead`; 'avg_featmap', the mean of the patches, a merged token counting as its size; 'featmap'
            only if no token is reduced (keep_rate=1).
        others: as in mmpretrain; a class token is needed.
    """

    def __init__(
        self,
        *args: Any,
        reduction_layers: int | Sequence[int] = (5, 10),
        keep_rate: float = 0.7,
        fuse: bool = True,
        guide: str = 'similarity',
        out_type: str = 'raw',
        **options: Any,
    ) -> None:
        super().__init__(*args, out_type=out_type, **options)
        if guide not in ('similarity', 'text', 'both'):
            raise ValueError(f"guide must be 'similarity', 'text' or 'both', got {guide!r}")
        self.merges = guide in ('similarity', 'both')
        if self.merges and not fuse:
            raise ValueError(
                f"guide='{guide}' merges tokens, and has none to leave out: fuse=False is for guide='text'"
            )
        check_number('keep_rate', keep_rate, '(0, 1]')
        if isinstance(reduction_layers, int):
            reduction_layers = (reduction_layers,)
        for number in reduction_layers:
            check_count('reduction_layers', number, 1, len(self.layers))
        if not reduction_layers or len(set(reduction_layers)) < len(reduction_layers):
            raise ValueError(f'reduction_layers must be different layers, at least one, got {reduction_layers}')
        if self.cls_token is None:
            raise ValueError('token reduction needs a class token: leave with_cls_token at True')
        if keep_rate < 1:
            self._check_output()
        self.reduction_layers = tuple(reduction_layers)
        for number, layer in enumerate(self.layers, start=1):
            weighs_sizes = self.merges and number > min(reduction_layers, default=number)
            if number in reduction_layers or weighs_sizes:
                layer.called_in_parts = True  # `sacl_mm.engine.runner.sharding` asks
        self.keep_rate, self.fuse, self.guide = keep_rate, fuse, guide
        self.text_guided = guide in ('text', 'both') and keep_rate < 1
        self.text_queries = None
        if guide == 'both' and keep_rate < 1:
            queries = {str(number): nn.Linear(self.embed_dims, self.embed_dims) for number in self.reduction_layers}
            for linear in queries.values():
                nn.init.zeros_(linear.weight)
                nn.init.zeros_(linear.bias)
            self.text_queries = nn.ModuleDict(queries)

    def _check_output(self) -> None:
        """Raises ValueError for an output that reduced tokens do not have."""
        if self.out_type == 'featmap':
            raise ValueError(
                "reduced tokens are no grid: out_type='featmap' needs keep_rate=1; 'avg_featmap' is their mean"
            )
        if self.out_type == 'avg_featmap' and not self.merges:
            raise ValueError("guide='text' drops tokens, so that they have no mean (out_type='avg_featmap')")
        if self.out_type == 'raw' and list(self.out_indices) != [len(self.layers) - 1]:
            raise ValueError("out_type='raw' gives reduced tokens of the last layer only: out_indices must be -1")

    def forward(self, images: Tensor, guide_BC: Tensor | None = None) -> tuple[Tensor, ...] | MergedTokens:
        """The outputs of `out_indices`; tokens (B, 1 + N', C) come with their sizes where they were merged. `guide_BC` are the
        texts' first tokens."""
        if self.text_guided:
            self._check_guide(guide_BC, len(images))
        (x_BNC, grid), sizes_BN = self._embed(images), None
        outputs: list[Tensor] = []
        for number, layer in enumerate(self.layers, start=1):
            reduces = number in self.reduction_layers and self.keep_rate < 1
            if sizes_BN is not None or (reduces and self.merges):
                x_BNC = x_BNC + sized_attention(layer.attn, layer.ln1(x_BNC), sizes_BN)
                if reduces:
                    importance_BN = self._importance(number, guide_BC, x_BNC, sizes_BN)
                    x_BNC, sizes_BN = merge_alike(x_BNC, sizes_BN, self.keep_rate, importance_BN)
                x_BNC = layer.ffn(layer.ln2(x_BNC), identity=x_BNC)
            elif reduces:
                x_BNC = self._drop_by_text(layer, x_BNC, guide_BC)
            else:
                x_BNC = layer(x_BNC)
            if number == len(self.layers) and self.final_norm:
                x_BNC = self.ln1(x_BNC)
            if number - 1 in self.out_indices:
                outputs.append(self._output(x_BNC, sizes_BN, grid))
        return (
            MergedTokens(sizes_BN, outputs[-1]) if self.out_type == 'raw' and sizes_BN is not None else tuple(outputs)
        )

    def _output(self, x_BNC: Tensor, sizes_BN: Tensor | None, grid: tuple[int, int]) -> Tensor:
        """A layer's tokens as `out_type` wants them."""
        if self.out_type != 'avg_featmap' or sizes_BN is None:
            return self._format_output(x_BNC, grid)
        share_BN = F.normalize(sizes_BN[:, 1:], p=1, dim=1)
        return self.ln2(torch.einsum('bn,bnc->bc', share_BN, x_BNC[:, 1:]))

    def _check_guide(self, guide_BC: Tensor | None, images: int) -> None:
        if guide_BC is None or len(guide_BC) != images:
            texts = 'none' if guide_BC is None else f'{len(guide_BC)}'
            raise ValueError(
                f'text-guided token reduction needs one text for each of the {images} images, got {texts}. For '
                "retrieval among many texts use guide='similarity' or a TokenReductionNeck, which keep images' features "
                'independent of texts'
            )
        if guide_BC.shape[1] != self.embed_dims:
            raise ValueError(
                f'text-guided token reduction needs texts as wide as images, got {guide_BC.shape[1]} and {self.embed_dims}'
            )

    def _embed(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """The class token and the patches, with their positions, and the patches' rows and columns."""
        patches_BNC, resolution = self.patch_embed(images)
        x_BNC = torch.cat([self.cls_token.expand(len(images), -1, -1), patches_BNC], dim=1)
        positions = resize_pos_embed(
            self.pos_embed, self.patch_resolution, resolution, self.interpolate_mode, self.num_extra_tokens
        )
        return self.pre_norm(self.drop_after_pos(x_BNC + positions)), resolution

    def _importance(
        self, number: int, guide_BC: Tensor | None, x_BNC: Tensor, sizes_BN: Tensor | None
    ) -> Tensor | None:
        """How much each token counts for the text, (B, 1 + N); None without `text_queries`."""
        if self.text_queries is None or guide_BC is None:
            return None
        text_BC = F.layer_norm(guide_BC, guide_BC.shape[1:])
        return asked_importance(self.text_queries[str(number)](text_BC), x_BNC, sizes_BN)

    def _drop_by_text(self, layer: TransformerEncoderLayer, x_BNC: Tensor, guide_BC: Tensor | None) -> Tensor:
        """A layer that reduces tokens by the text after its attention."""
        assert guide_BC is not None
        x_BNC = x_BNC + layer.attn(layer.ln1(x_BNC))
        score_BN = guided_score(query(layer.attn.qkv, guide_BC), x_BNC)
        x_BNC = reduce_tokens(x_BNC, score_BN, self.keep_rate, self.fuse)
        return layer.ffn(layer.ln2(x_BNC), identity=x_BNC)


def sized_attention(attention: MultiheadAttention, x_BNC: Tensor, sizes_BN: Tensor | None) -> Tensor:
    """mmpretrain's attention, in which a token of size s counts as s tokens."""
    if sizes_BN is None:
        return attention(x_BNC)
    query_BHND, key_BHND, value_BHND = (
        attention.qkv(x_BNC).unflatten(-1, (3, attention.num_heads, -1)).permute(2, 0, 3, 1, 4)
    )
    mask = KeyValue(key_BHND, value_BHND, sizes_BN).mask(None)
    dropout = attention.attn_drop if attention.training else 0.0
    read_BHND = F.scaled_dot_product_attention(query_BHND, key_BHND, value_BHND, mask, dropout)
    read_BNC = attention.proj_drop(attention.proj(read_BHND.transpose(1, 2).flatten(2)))
    return attention.out_drop(attention.gamma1(read_BNC))
