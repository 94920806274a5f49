import pytest
import torch
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModel

from sacl_mm.checkpoints import clip_to_vision_transformer
from sacl_mm.compatibility import load_mmpretrain
from sacl_mm.registry import MODELS

D, LAYERS, PATCH = 32, 2, 8
# Names of OpenAI's layers, and of transformers' (queries, keys and values apart).
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


def vision_transformer(grid: int = 4, activation: str = 'sacl_mm.QuickGELU', **options) -> nn.Module:
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
@pytest.mark.parametrize('activation', ['sacl_mm.QuickGELU', 'mmpretrain.QuickGELU'])
def test_outputs_equal_those_of_transformers(clip, activation):
    model = vision_transformer(activation=activation)
    model.eval()
    state, left_out = clip_to_vision_transformer(openai_names(clip), prefix='')
    model.load_state_dict(state, strict=True)
    assert len(left_out) == 8
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
        clip_to_vision_transformer(clip.state_dict(), allow=['vision_model.', 'embeddings.', 'encoder.', 'p'])
    state['visual.ln_pre.bias'] = torch.zeros(D + 1)
    with pytest.raises(ValueError, match=r'visual.ln_pre.bias is \(33,\), not \(32\)'):
        clip_to_vision_transformer(state)
