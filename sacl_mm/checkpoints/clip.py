"""OpenAI's CLIP with a ViT (arXiv 2103.00020; github.com/openai/CLIP): its image encoder for mmpretrain's VisionTransformer.

Letters of shapes: D width, M feed-forward, N positions, P patch.
"""

from collections.abc import Sequence

from sacl_mm.checkpoints.key_map import Converted, Entry, KeyMap, State, count_layers

_LAYER = {
    'ln_1.weight': ('ln1.weight', 'D'),
    'ln_1.bias': ('ln1.bias', 'D'),
    'attn.in_proj_weight': ('attn.qkv.weight', '3D D'),
    'attn.in_proj_bias': ('attn.qkv.bias', '3D'),
    'attn.out_proj.weight': ('attn.proj.weight', 'D D'),
    'attn.out_proj.bias': ('attn.proj.bias', 'D'),
    'ln_2.weight': ('ln2.weight', 'D'),
    'ln_2.bias': ('ln2.bias', 'D'),
    'mlp.c_fc.weight': ('ffn.layers.0.0.weight', 'M D'),
    'mlp.c_fc.bias': ('ffn.layers.0.0.bias', 'M'),
    'mlp.c_proj.weight': ('ffn.layers.1.weight', 'D M'),
    'mlp.c_proj.bias': ('ffn.layers.1.bias', 'D'),
}
# Everything of the text encoder, the projection to CLIP's common space, and three numbers about the archive.
_LEFT_OUT = (
    'transformer.',
    'token_embedding.',
    'positional_embedding',
    'ln_final.',
    'text_projection',
    'logit_scale',
    'visual.proj',
    'input_resolution',
    'context_length',
    'vocab_size',
)


def clip_to_vision_transformer(state: State, prefix: str = 'backbone.', allow: Sequence[str] = ()) -> Converted:
    """The image encoder in float32, for `VisionTransformer(pre_norm=True, norm_cfg=dict(type='LN', eps=1e-5),
    layer_cfgs=dict(act_cfg=dict(type='sacl_mm.QuickGELU')))`, with `prefix` before each key.

    Args:
        state: of OpenAI's model, with `visual.conv1.weight` and so on.
        allow: beginnings of CLIP's keys that may be unknown, missing or of another shape; they are left out.

    Raises:
        ValueError: it is not CLIP with a ViT; lists what is unknown, missing or of another shape.
    """
    entries = [
        Entry('visual.conv1.weight', 'patch_embed.projection.weight', 'D 3 P P'),
        Entry('visual.class_embedding', 'cls_token', 'D', lambda x: x[None, None]),
        Entry('visual.positional_embedding', 'pos_embed', 'N D', lambda x: x[None]),
    ]
    names = [('visual.ln_pre', 'pre_norm'), ('visual.ln_post', 'ln1')]
    entries += [Entry(f'{a}.{x}', f'{b}.{x}', 'D') for a, b in names for x in ('weight', 'bias')]
    blocks = 'visual.transformer.resblocks.'
    for i in range(count_layers(state, blocks)):
        entries += [
            Entry(f'{blocks}{i}.{theirs}', f'layers.{i}.{ours}', shape) for theirs, (ours, shape) in _LAYER.items()
        ]
    converted, left_out = KeyMap(entries, only_theirs=_LEFT_OUT).to_ours(state, allow)
    # OpenAI's files are in half precision.
    return Converted({prefix + key: tensor.float() for key, tensor in converted.items()}, left_out)
