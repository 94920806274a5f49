"""CLIP with a ViT (arXiv 2103.00020): its image encoder for mmpretrain's VisionTransformer.

Two layouts: of OpenAI and open_clip (`visual.conv1.weight`), and of Hugging Face's transformers, `CLIPModel` and
`CLIPVisionModel` (`vision_model.embeddings.patch_embedding.weight`), where queries, keys and values are apart.

Letters of shapes: D width, M feed-forward, N positions, P patch.
"""

from collections.abc import Sequence

import torch

from sacl_mm.checkpoints.key_map import Converted, Entry, KeyMap, State, count_layers

# Our layer's parts (and the shapes of their weights; a bias has the first size) and theirs.
_PARTS = {
    'ln1': ('D', 'ln_1', 'layer_norm1'),
    'attn.proj': ('D D', 'attn.out_proj', 'self_attn.out_proj'),
    'ln2': ('D', 'ln_2', 'layer_norm2'),
    'ffn.layers.0.0': ('M D', 'mlp.c_fc', 'mlp.fc1'),
    'ffn.layers.1': ('D M', 'mlp.c_proj', 'mlp.fc2'),
}
# Everything of the text encoder, the projection to CLIP's common space, and numbers about the model.
_OPENAI_LEFT_OUT = (
    'transformer.',
    'token_embedding.',
    'positional_embedding',
    'ln_final.',
    'text_projection',
    'text.',
    'logit_scale',
    'logit_bias',
    'visual.proj',
    'input_resolution',
    'context_length',
    'vocab_size',
)
_HUGGING_FACE_LEFT_OUT = (
    'text_model.',
    'text_projection.',
    'visual_projection.',
    'logit_scale',
    'vision_model.embeddings.position_ids',
)
# How transformers 5 begins the names of a CLIPVisionModel's own weights.
_BARE = ('embeddings.', 'encoder.layers.', 'pre_layrnorm.', 'post_layernorm.')


def clip_to_vision_transformer(state: State, prefix: str = 'backbone.', allow: Sequence[str] = ()) -> Converted:
    """The image encoder in float32, for `VisionTransformer(pre_norm=True, norm_cfg=dict(type='LN', eps=1e-5),
    layer_cfgs=dict(act_cfg=dict(type='mmpretrain.QuickGELU')))`, with `prefix` before each key.

    The activation is QuickGELU in OpenAI's weights, and the backbone's default (GELU) in most of open_clip's; Hugging Face's
    `config.json` names it as `hidden_act`.

    Args:
        state: of OpenAI, open_clip or Hugging Face.
        allow: beginnings of CLIP's keys that may be unknown, missing or of another shape; they are left out.

    Raises:
        ValueError: it is not CLIP with a ViT; lists what is unknown, missing or of another shape.
    """
    state = {f'vision_model.{key}' if key.startswith(_BARE) else key: value for key, value in state.items()}
    hugging_face = any(key.startswith('vision_model.') for key in state)
    key_map = _hugging_face(state) if hugging_face else _openai(state)
    converted, left_out = key_map.to_ours(state, allow)
    # OpenAI's files are in half precision.
    return Converted({prefix + key: tensor.float() for key, tensor in _joined(converted).items()}, left_out)


def _openai(state: State) -> KeyMap:
    entries = [
        Entry('visual.conv1.weight', 'patch_embed.projection.weight', 'D 3 P P'),
        Entry('visual.class_embedding', 'cls_token', 'D', lambda x: x[None, None]),
        Entry('visual.positional_embedding', 'pos_embed', 'N D', lambda x: x[None]),
        *_pair('visual.ln_pre', 'pre_norm', 'D'),
        *_pair('visual.ln_post', 'ln1', 'D'),
    ]
    blocks = 'visual.transformer.resblocks.'
    for i in range(count_layers(state, blocks)):
        for ours, (shape, theirs, _) in _PARTS.items():
            entries += _pair(f'{blocks}{i}.{theirs}', f'layers.{i}.{ours}', shape)
        entries.append(Entry(f'{blocks}{i}.attn.in_proj_weight', f'layers.{i}.attn.qkv.weight', '3D D'))
        entries.append(Entry(f'{blocks}{i}.attn.in_proj_bias', f'layers.{i}.attn.qkv.bias', '3D'))
    return KeyMap(entries, only_theirs=_OPENAI_LEFT_OUT)


def _hugging_face(state: State) -> KeyMap:
    """Queries, keys and values are still apart in its result."""
    top = 'vision_model.'
    entries = [
        Entry(f'{top}embeddings.patch_embedding.weight', 'patch_embed.projection.weight', 'D 3 P P'),
        Entry(f'{top}embeddings.class_embedding', 'cls_token', 'D', lambda x: x[None, None]),
        Entry(f'{top}embeddings.position_embedding.weight', 'pos_embed', 'N D', lambda x: x[None]),
        *_pair(f'{top}pre_layrnorm', 'pre_norm', 'D'),
        *_pair(f'{top}post_layernorm', 'ln1', 'D'),
    ]
    layers = f'{top}encoder.layers.'
    for i in range(count_layers(state, layers)):
        for ours, (shape, _, theirs) in _PARTS.items():
            entries += _pair(f'{layers}{i}.{theirs}', f'layers.{i}.{ours}', shape)
        for part in 'qkv':
            entries += _pair(f'{layers}{i}.self_attn.{part}_proj', f'layers.{i}.attn.{part}', 'D D')
    return KeyMap(entries, only_theirs=_HUGGING_FACE_LEFT_OUT)


def _pair(theirs: str, ours: str, shape: str) -> list[Entry]:
    """A weight of this shape and its bias."""
    return [
        Entry(f'{theirs}.weight', f'{ours}.weight', shape),
        Entry(f'{theirs}.bias', f'{ours}.bias', shape.split()[0]),
    ]


def _joined(state: State) -> State:
    """Queries, keys and values in one tensor; where one was allowed to be missing, none of the three is kept."""
    joined = {key: value for key, value in state.items() if not any(f'.attn.{part}.' in key for part in 'qkv')}
    for key in state:
        parts = [key.replace('.attn.q.', f'.attn.{part}.') for part in 'qkv']
        if '.attn.q.' in key and all(part in state for part in parts):
            joined[key.replace('.attn.q.', '.attn.qkv.')] = torch.cat([state[part] for part in parts])
    return joined
