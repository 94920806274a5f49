import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModel

from sacl_mm.checkpoints import clip_to_vision_transformer, read_state_dict
from sacl_mm.compatibility import load_mmpretrain
from sacl_mm.registry import MODELS

D, LAYERS, PATCH = 32, 2, 8
# Names of OpenAI's layers, and of transformers'.
LAYER_NAMES = {
    'ln_1': 'layer_norm1',
    'ln_2': 'layer_norm2',
    'attn.out_proj': 'self_attn.out_proj',
    'mlp.c_fc': 'mlp.fc1',
    'mlp.c_proj': 'mlp.fc2',
}


@pytest.fixture
def clip() -> CLIPVisionModel:
    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=D,
        intermediate_size=4 * D,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        image_size=4 * PATCH,
        patch_size=PATCH,
    )
    model = CLIPVisionModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # no zeros and ones that would hide a mistake
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def hugging_face_names(model: CLIPVisionModel) -> dict[str, Tensor]:
    """As `CLIPModel` has the image encoder, with a little of what else is in its files."""
    own = {f'vision_model.{key.removeprefix("vision_model.")}': value for key, value in model.state_dict().items()}
    return own | {
        'text_model.embeddings.token_embedding.weight': torch.zeros(9, 8),
        'text_projection.weight': torch.zeros(8, 8),
        'visual_projection.weight': torch.zeros(8, D),
        'logit_scale': torch.tensor(4.6),
    }


def open_clip_names(model: CLIPVisionModel) -> dict[str, Tensor]:
    """As OpenAI's; where the text encoder is a module of its own, as `text.`."""
    state = {key: value for key, value in openai_names(model).items() if key.startswith('visual.')}
    return state | {'text.transformer.resblocks.0.ln_1.weight': torch.zeros(8), 'logit_bias': torch.tensor(-10.0)}


LAYOUTS = {
    "OpenAI's": (lambda model: openai_names(model), 8),
    "open_clip's": (open_clip_names, 3),
    "CLIPModel's": (hugging_face_names, 4),
    "CLIPVisionModel's": (lambda model: dict(model.state_dict()), 0),
    "CLIPVisionModel's of transformers 5": (
        lambda model: {key.removeprefix('vision_model.'): value for key, value in model.state_dict().items()},
        0,
    ),
}


def openai_names(model: CLIPVisionModel) -> dict[str, Tensor]:
    """The model as OpenAI's checkpoints have it, with a little of what else is in them."""
    source = {key.removeprefix('vision_model.'): value.clone() for key, value in model.state_dict().items()}
    state = {
        'positional_embedding': torch.zeros(77, 8),
        'text_projection': torch.zeros(8, 8),
        'logit_scale': torch.tensor(4.6),
        'transformer.resblocks.0.ln_1.weight': torch.zeros(8),
        'token_embedding.weight': torch.zeros(9, 8),
        'ln_final.bias': torch.zeros(8),
        'visual.proj': torch.zeros(D, 8),
        'input_resolution': torch.tensor(4 * PATCH),
        'visual.class_embedding': source['embeddings.class_embedding'],
        'visual.positional_embedding': source['embeddings.position_embedding.weight'],
        'visual.conv1.weight': source['embeddings.patch_embedding.weight'],
    }
    for kind in ('weight', 'bias'):
        state[f'visual.ln_pre.{kind}'] = source[f'pre_layrnorm.{kind}']
        state[f'visual.ln_post.{kind}'] = source[f'post_layernorm.{kind}']
        for i in range(LAYERS):
            theirs, here = f'encoder.layers.{i}', f'visual.transformer.resblocks.{i}'
            for openai, transformers in LAYER_NAMES.items():
                state[f'{here}.{openai}.{kind}'] = source[f'{theirs}.{transformers}.{kind}']
            parts = [source[f'{theirs}.self_attn.{part}_proj.{kind}'] for part in 'qkv']
            state[f'{here}.attn.in_proj_{kind}'] = torch.cat(parts)
    return state


def vision_transformer(grid: int = 4, activation: str = 'mmpretrain.QuickGELU', **options) -> nn.Module:
    """The architecture of CLIP in mmpretrain's terms."""
    load_mmpretrain()
    return MODELS.build(
        dict(
            type='mmpretrain.VisionTransformer',
            arch=dict(embed_dims=D, num_layers=LAYERS, num_heads=2, feedforward_channels=4 * D),
            img_size=grid * PATCH,
            patch_size=PATCH,
            pre_norm=True,
            norm_cfg=dict(type='LN', eps=1e-5),
            layer_cfgs=dict(act_cfg=dict(type=activation)),
            out_type='raw',
            **options,
        )
    )


@torch.no_grad()
@pytest.mark.parametrize(('layout', 'others'), LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_outputs_equal_those_of_transformers(clip, tmp_path, layout, others, suffix):
    model = vision_transformer()
    model.eval()
    path = tmp_path / f'clip{suffix}'
    (save_file if suffix == '.safetensors' else torch.save)(layout(clip), path)
    state, left_out = clip_to_vision_transformer(read_state_dict(path), prefix='')
    model.load_state_dict(state, strict=True)
    assert len(left_out) == others
    images = torch.randn(3, 3, 4 * PATCH, 4 * PATCH)
    theirs = clip(images)
    (ours,) = model(images)
    torch.testing.assert_close(ours[:, 0], theirs.pooler_output, rtol=0, atol=1e-5)
    norm = getattr(clip, 'vision_model', clip).post_layernorm
    torch.testing.assert_close(ours, norm(theirs.last_hidden_state), rtol=0, atol=1e-5)


def test_a_model_starts_from_the_file_at_another_size(clip, tmp_path):
    """Read as configs/_base_/models/sacl_base.py does; half precision as OpenAI's."""
    state = {key: value.half() for key, value in openai_names(clip).items()}
    converted = clip_to_vision_transformer(state).state
    assert all(key.startswith('backbone.') and value.dtype == torch.float32 for key, value in converted.items())
    path = str(tmp_path / 'clip.pth')
    torch.save(dict(state_dict=converted), path)
    model = vision_transformer(grid=6, init_cfg=dict(type='Pretrained', checkpoint=path, prefix='backbone.'))
    model.init_weights()
    assert torch.equal(model.layers[1].attn.qkv.weight, converted['backbone.layers.1.attn.qkv.weight'])
    assert torch.equal(model.pos_embed[:, 0], converted['backbone.pos_embed'][:, 0])
    assert model.pos_embed.shape == (1, 37, D)


def test_another_clip_is_refused(clip):
    state = openai_names(clip)
    with pytest.raises(ValueError, match=r'1 unknown: visual.layer1.0.conv1.weight'):
        clip_to_vision_transformer(state | {'visual.layer1.0.conv1.weight': torch.zeros(1)})
    with pytest.raises(ValueError, match=r'missing: visual.conv1.weight, visual.class_embedding'):
        clip_to_vision_transformer({'layer.weight': torch.zeros(1)}, allow=['layer.'])
    state['visual.ln_pre.bias'] = torch.zeros(D + 1)
    with pytest.raises(ValueError, match=r'visual.ln_pre.bias is \(33,\), not \(32\)'):
        clip_to_vision_transformer(state)


def test_what_is_wrong_is_said_in_the_words_of_the_layout(clip):
    state = hugging_face_names(clip)
    query = 'vision_model.encoder.layers.1.self_attn.q_proj.weight'
    with pytest.raises(ValueError, match=r'1 unknown: vision_model\.head\.weight'):
        clip_to_vision_transformer(state | {'vision_model.head.weight': torch.zeros(1)})
    with pytest.raises(ValueError, match=r'q_proj\.weight is \(32, 31\), not \(32, 32\)'):
        clip_to_vision_transformer(state | {query: torch.zeros(D, D - 1)})
    missing = {key: value for key, value in state.items() if key != query}
    with pytest.raises(ValueError, match=rf'1 missing: {query}'):
        clip_to_vision_transformer(missing)
    converted = clip_to_vision_transformer(missing, allow=[query], prefix='').state
    assert 'layers.1.attn.qkv.bias' in converted
    assert not any('layers.1.attn.q' in key for key in converted if key.endswith('weight'))
