"""Starting a model from the checkpoint of another of the project's models."""

from collections.abc import Collection

from torch import Tensor

# Parts of a pre-trained model that a task may not need.
PRETRAINING_PARTS = (
    'multimodal_backbone.',
    'matching_head.',
    'masked_language_head.',
    'assignment_head.',
    'contrastive_loss.',
    'towers.image_projection.',
    'towers.text_projection.',
    'teacher.',
    'queue.',
    'reference.',
)
# Parts that only training needs; a new training starts them afresh.
TRAINING_STATE = ('teacher.', 'queue.', 'reference.')
# Parts whose initial values have no effect.
NEUTRAL_PARTS = ('towers.vision_backbone.text_queries.',)


def neutral_parts(state: dict[str, Tensor], own: dict[str, Tensor]) -> dict[str, Tensor]:
    """The neutral parts of a model's state dict `own` that the checkpoint `state` lacks."""
    return {key: value for key, value in own.items() if key.startswith(NEUTRAL_PARTS) and key not in state}


def fit_to_task(state: dict[str, Tensor], own: dict[str, Tensor]) -> dict[str, Tensor]:
    """`state` without pre-training parts that the model lacks, and with the model's own teacher, queue or reference model
    where the checkpoint's does not fit. Everything else is left to the strict check."""
    absent = tuple(part for part in PRETRAINING_PARTS if not any(key.startswith(part) for key in own))
    fitted = {key: value for key, value in state.items() if not key.startswith(absent or ('\0',))}
    for part in TRAINING_STATE:
        ours = {key: value for key, value in own.items() if key.startswith(part)}
        theirs = {key: value for key, value in fitted.items() if key.startswith(part)}
        if shapes(ours) != shapes(theirs):
            fitted = {key: value for key, value in fitted.items() if key not in theirs} | ours
    return fitted


def shapes(state: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in state.items()}


def mismatches(
    state: dict[str, Tensor], own: dict[str, Tensor], resizable: Collection[str] = ('backbone.pos_embed',)
) -> dict[str, list[str]]:
    """What keeps `state` from being loaded: keys that are missing, unknown, or of another shape (with both shapes).

    The position embeddings of mmpretrain's vision transformers (`resizable` endings) may differ in length: they are
    interpolated when they are loaded.
    """
    differing = [
        key
        for key in own.keys() & state.keys()
        if state[key].shape != own[key].shape
        and not (key.endswith(tuple(resizable)) and state[key].shape[-1] == own[key].shape[-1])
    ]
    return {
        'missing': sorted(own.keys() - state.keys()),
        'unknown': sorted(state.keys() - own.keys()),
        'of another shape': [
            f'{key} {tuple(state[key].shape)}, here {tuple(own[key].shape)}' for key in sorted(differing)
        ],
    }
