"""The parts of ALBEF's models: their tensors' names, and ours.

Letters of shapes: C text width, D image width, F and M feed-forward of text and image, L and N positions, P patch, V
vocabulary.
"""

from sacl_mm.checkpoints.bert import BERT_LAYER_NAMES, CROSS_ATTENTION_NAMES
from sacl_mm.checkpoints.key_map import Entry

# timm's names in a block of a ViT, mmpretrain's, outputs and inputs.
_IMAGE_LAYER = (
    ('attn.qkv', 'attn.qkv', '3D', 'D'),
    ('attn.proj', 'attn.proj', 'D', 'D'),
    ('mlp.fc1', 'ffn.layers.0.0', 'M', 'D'),
    ('mlp.fc2', 'ffn.layers.1', 'D', 'M'),
)
# Outputs and inputs of BERT's parts that are not C by C; S is the width of what cross-attention reads.
_TEXT_SHAPES = {
    BERT_LAYER_NAMES['expand']: ('F', 'C'),
    BERT_LAYER_NAMES['contract']: ('C', 'F'),
    CROSS_ATTENTION_NAMES['cross_attention.key']: ('C', 'S'),
    CROSS_ATTENTION_NAMES['cross_attention.value']: ('C', 'S'),
}


def linear(theirs: str, ours: str, outputs: str, inputs: str) -> list[Entry]:
    return [
        Entry(f'{theirs}.weight', f'{ours}.weight', f'{outputs} {inputs}'),
        Entry(f'{theirs}.bias', f'{ours}.bias', outputs),
    ]


def norm(theirs: str, ours: str, width: str) -> list[Entry]:
    return [Entry(f'{theirs}.{name}', f'{ours}.{name}', width) for name in ('weight', 'bias')]


def vision_transformer(theirs: str, ours: str, num_layers: int) -> list[Entry]:
    """timm's names and mmpretrain's."""
    entries = [
        Entry(f'{theirs}.cls_token', f'{ours}.cls_token', '1 1 D'),
        Entry(f'{theirs}.pos_embed', f'{ours}.pos_embed', '1 N D'),
        Entry(f'{theirs}.patch_embed.proj.weight', f'{ours}.patch_embed.projection.weight', 'D 3 P P'),
        Entry(f'{theirs}.patch_embed.proj.bias', f'{ours}.patch_embed.projection.bias', 'D'),
        *norm(f'{theirs}.norm', f'{ours}.ln1', 'D'),
    ]
    for i in range(num_layers):
        block, layer = f'{theirs}.blocks.{i}', f'{ours}.layers.{i}'
        for number in (1, 2):
            entries += norm(f'{block}.norm{number}', f'{layer}.ln{number}', 'D')
        for their_name, our_name, outputs, inputs in _IMAGE_LAYER:
            entries += linear(f'{block}.{their_name}', f'{layer}.{our_name}', outputs, inputs)
    return entries


def text_embeddings(theirs: str, ours: str) -> list[Entry]:
    """BERT's names on both sides."""
    shapes = {'word_embeddings': 'V C', 'position_embeddings': 'L C', 'token_type_embeddings': '2 C'}
    entries = [Entry(f'{theirs}.{name}.weight', f'{ours}.{name}.weight', shape) for name, shape in shapes.items()]
    return entries + norm(f'{theirs}.LayerNorm', f'{ours}.LayerNorm', 'C')


def text_layer(theirs: str, ours: str) -> list[Entry]:
    """BERT's names on both sides."""
    return _layer(theirs, ours, {name: name for name in BERT_LAYER_NAMES.values()}, 'C')


def fusion_layer(theirs: str, ours: str, source_width: str = 'D') -> list[Entry]:
    """A BERT layer with cross-attention to tokens of `source_width`, and a `FusionLayer`."""
    return _layer(theirs, ours, BERT_LAYER_NAMES | CROSS_ATTENTION_NAMES, source_width)


def _layer(theirs: str, ours: str, names: dict[str, str], source_width: str) -> list[Entry]:
    entries = []
    for our_name, their_name in names.items():
        their_key, our_key = f'{theirs}.{their_name}', f'{ours}.{our_name}'
        if their_name.endswith('LayerNorm'):
            entries += norm(their_key, our_key, 'C')
        else:
            outputs, inputs = _TEXT_SHAPES.get(their_name, ('C', 'C'))
            entries += linear(their_key, our_key, outputs, source_width if inputs == 'S' else inputs)
    return entries


def language_head(theirs: str, ours: str, word_embeddings: str) -> list[Entry]:
    """BERT's prediction head `cls.predictions`; its output layer is tied to the word embeddings."""
    return [
        *linear(f'{theirs}.transform.dense', f'{ours}.transform.0', 'C', 'C'),
        *norm(f'{theirs}.transform.LayerNorm', f'{ours}.transform.2', 'C'),
        Entry(f'{theirs}.bias', f'{ours}.bias', 'V'),
        Entry(f'{theirs}.decoder.bias', f'{ours}.bias', 'V'),
        Entry(f'{theirs}.decoder.weight', word_embeddings, 'V C'),
    ]


def answer_decoder(theirs: str, ours: str, num_layers: int) -> list[Entry]:
    """BERT as a decoder, each of its layers with cross-attention to the question."""
    entries = text_embeddings(f'{theirs}.bert.embeddings', f'{ours}.embeddings')
    for i in range(num_layers):
        entries += fusion_layer(f'{theirs}.bert.encoder.layer.{i}', f'{ours}.layers.{i}', source_width='C')
    return entries + language_head(
        f'{theirs}.cls.predictions', f'{ours}.head', f'{ours}.embeddings.word_embeddings.weight'
    )


def shared_projections(bert: str, text_layers: int, fusion_layers: int) -> list[tuple[str, str]]:
    """NLVR2: fusion layers 2i and 2i + 1 read one image each, through the same keys and values."""
    layer = f'{bert}.encoder.layer'
    return [
        (f'{layer}.{first}.crossattention.self.{name}', f'{layer}.{first + 1}.crossattention.self.{name}')
        for first in range(text_layers, text_layers + fusion_layers - 1, 2)
        for name in ('key.weight', 'key.bias', 'value.weight', 'value.bias')
    ]
