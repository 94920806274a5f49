"""ALBEF's checkpoints (arXiv 2107.07651; github.com/salesforce/ALBEF) in this library's layout, and back.

What the other side has no place for: the queues (ALBEF's tell neither whose image an entry is nor whether it was ever
filled; ours fills anew), ALBEF's numbers of positions, what text assignment does not read, the momentum models of VQA and
NLVR2 and the part of retrieval's that it never uses, our reference model.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from sacl_mm.checkpoints import albef_parts as parts
from sacl_mm.checkpoints.key_map import Converted, Entry, KeyMap, State, count_layers

# How a state dict shows which model it is of: a beginning of keys in ALBEF and in ours; the first that occurs counts.
_SIGNS = {
    'vqa': ('text_decoder.', 'answer_decoder.'),
    'text_assignment': ('ta_head.', 'assignment_head.'),
    'nlvr2': ('cls_head.', 'classifier.'),
    'pretrain': ('text_encoder.cls.', 'masked_language_head.'),
    'retrieval': ('itm_head.', 'matching_head.'),
}
_ALBEF, _OURS = 0, 1
_TASKS_WITH_TEACHER = ('pretrain', 'retrieval')
_TASKS_WITH_PAIRS = ('nlvr2', 'text_assignment')


class _Layers(NamedTuple):
    """How many each part of the model has."""

    image: int
    text: int
    fusion: int
    decoder: int


def albef_to_ours(state: State, allow: Sequence[str] = ()) -> Converted:
    """ALBEF's pre-training, retrieval, VQA, NLVR2 or text-assignment model as ours of the same task.

    The momentum models of pre-training and retrieval become the teacher, where the checkpoint has them.

    Args:
        state: what a released file has under 'model'.
        allow: beginnings of ALBEF's keys that may be unknown, missing or of another shape; they are left out.

    Raises:
        ValueError: it is of no such model, or its tensors are not ALBEF's; lists them.
    """
    task = _task(state, _ALBEF)
    layer = f'{_bert(task)}.encoder.layer.'
    fusing = [re.match(re.escape(layer) + r'(\d+)\.crossattention\.', key) for key in state]
    text_layers = min((int(match.group(1)) for match in fusing if match), default=1)
    followed = any(key.startswith('visual_encoder_m.') for key in state)
    layers = _Layers(
        image=count_layers(state, 'visual_encoder.blocks.'),
        text=text_layers,
        fusion=max(1, count_layers(state, layer) - text_layers),
        decoder=count_layers(state, 'text_decoder.bert.encoder.layer.'),
    )
    teacher = followed and task in _TASKS_WITH_TEACHER
    return _key_map(task, layers, teacher, teacher_fuses=teacher and task == 'pretrain').to_ours(state, allow)


def ours_to_albef(state: State, allow: Sequence[str] = ()) -> Converted:
    """The way back, for ALBEF's `load_state_dict(..., strict=False)`; arguments and errors as in `albef_to_ours`."""
    layers = _Layers(
        image=count_layers(state, 'towers.vision_backbone.layers.'),
        text=count_layers(state, 'towers.text_backbone.bert.encoder.layer.'),
        fusion=count_layers(state, 'multimodal_backbone.layers.'),
        decoder=count_layers(state, 'answer_decoder.layers.'),
    )
    teacher, teacher_fuses = (
        any(key.startswith(start) for key in state) for start in ('teacher.', 'teacher.multimodal_backbone.')
    )
    return _key_map(_task(state, _OURS), layers, teacher, teacher_fuses).to_theirs(state, allow)


def _task(state: State, side: int) -> str:
    for task, signs in _SIGNS.items():
        if any(key.startswith(signs[side]) for key in state):
            return task
    raise ValueError(
        f'this is no model of {("ALBEF", "this library")[side]}: no key begins with '
        f'{", ".join(signs[side] for signs in _SIGNS.values())}; there are {", ".join(list(state)[:4]) or "none"}, ...'
    )


def _bert(task: str, end: str = '') -> str:
    return f'text_encoder{end}.bert' if task == 'pretrain' else f'text_encoder{end}'


def _key_map(task: str, layers: _Layers, teacher: bool, teacher_fuses: bool) -> KeyMap:
    entries = _towers(task, layers) + _fusion(task, layers) + _heads(task, layers)
    if teacher:
        entries += _towers(task, layers, '_m', 'teacher.')
    if teacher_fuses:
        entries += _fusion(task, layers, '_m', 'teacher.')
    shared = parts.shared_projections(_bert(task), layers.text, layers.fusion) if task in _TASKS_WITH_PAIRS else []
    return KeyMap(entries, shared, _only_theirs(task, layers), only_ours=('queue.', 'reference.'))


def _towers(task: str, layers: _Layers, end: str = '', start: str = '') -> list[Entry]:
    bert, ours = _bert(task, end), f'{start}towers.text_backbone.bert'
    entries = parts.vision_transformer(f'visual_encoder{end}', f'{start}towers.vision_backbone', layers.image)
    entries += parts.text_embeddings(f'{bert}.embeddings', f'{ours}.embeddings')
    for i in range(layers.text):
        entries += parts.text_layer(f'{bert}.encoder.layer.{i}', f'{ours}.encoder.layer.{i}')
    if task in ('pretrain', 'retrieval'):
        entries += parts.linear(f'vision_proj{end}', f'{start}towers.image_projection', 'E', 'D')
        entries += parts.linear(f'text_proj{end}', f'{start}towers.text_projection', 'E', 'C')
    return entries


def _fusion(task: str, layers: _Layers, end: str = '', start: str = '') -> list[Entry]:
    """The fusion encoder, and the masked language head, which follows it."""
    entries = []
    for i in range(layers.fusion):
        theirs = f'{_bert(task, end)}.encoder.layer.{layers.text + i}'
        entries += parts.fusion_layer(theirs, f'{start}multimodal_backbone.layers.{i}')
    if task == 'pretrain':
        words = f'{start}towers.text_backbone.bert.embeddings.word_embeddings.weight'
        entries += parts.language_head(f'text_encoder{end}.cls.predictions', f'{start}masked_language_head', words)
    return entries


def _heads(task: str, layers: _Layers) -> list[Entry]:
    if task == 'vqa':
        return parts.answer_decoder('text_decoder', 'answer_decoder', layers.decoder)
    if task == 'nlvr2':
        outputs = {'0': 'C', '2': '2'}
        return [
            entry
            for i, size in outputs.items()
            for entry in parts.linear(f'cls_head.{i}', f'classifier.{i}', size, 'C')
        ]
    if task == 'text_assignment':
        return parts.linear('ta_head', 'assignment_head', '3', 'C')
    temperature = Entry('temp', 'contrastive_loss.log_temperature', '', _logarithm, _exponential)
    return [*parts.linear('itm_head', 'matching_head.classifier', '2', 'C'), temperature]


def _only_theirs(task: str, layers: _Layers) -> tuple[str, ...]:
    keys = [f'{model}.embeddings.position_ids' for model in (_bert(task), _bert(task, '_m'), 'text_decoder.bert')]
    if task in _TASKS_WITH_TEACHER:
        keys += ['image_queue', 'text_queue', 'idx_queue', 'queue_ptr']
    if task == 'retrieval':
        keys += [f'{_bert(task, "_m")}.encoder.layer.{layers.text + i}.' for i in range(layers.fusion)]
    elif task == 'text_assignment':
        keys += ['vision_proj.', 'text_proj.', 'temp']
    elif task in ('vqa', 'nlvr2'):
        keys += ['visual_encoder_m.', 'text_encoder_m.', 'text_decoder_m.', 'cls_head_m.']
    return tuple(keys)


def _logarithm(temperature: Tensor) -> Tensor:
    return temperature.double().log().to(temperature.dtype)


def _exponential(log_temperature: Tensor) -> Tensor:
    return log_temperature.double().exp().to(log_temperature.dtype)
