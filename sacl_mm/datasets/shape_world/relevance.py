"""Which claim holds in which scene, for all pairs at once: the exact ground truth about false negatives.

Per scene and description, the matching objects are the bits of one byte, so that a claim is a few bit operations.

Legend: N scenes, M objects of a scene, T claims, D distinct descriptions, R relations.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np

from sacl_mm.datasets.shape_world.claim import RELATIONS, Claim, Count, Description, Exists, Pair
from sacl_mm.datasets.shape_world.scene import ATTRIBUTES, MARGIN, MAX_OBJECTS, Scene, encode_scene
from sacl_mm.datasets.shape_world.world import captions_of, check_world, scene_of
from sacl_mm.registry import TASK_UTILS

_EXISTS, _COUNT, _PAIR = range(3)
_NO_RELATION = -1
_NUM_VALUES = [len(values) for values in ATTRIBUTES.values()]
_POPCOUNT = np.array([bin(byte).count('1') for byte in range(2**MAX_OBJECTS)], np.uint8)


def _match_table() -> np.ndarray:
    """(looks + 1, descriptions) bool: does an object of that look match that description? The last look is no object."""
    looks = np.array(list(product(*(range(number) for number in _NUM_VALUES))))
    descriptions = np.array(list(product(*(range(-1, number) for number in _NUM_VALUES))))
    said = descriptions[None] >= 0
    matches = ((looks[:, None] == descriptions[None]) | ~said).all(-1)
    return np.concatenate([matches, np.zeros_like(matches[:1])])


_MATCHES = _match_table()


def _description_code(description: Description) -> int:
    code = 0
    for name, values in ATTRIBUTES.items():
        value = getattr(description, name)
        code = code * (len(values) + 1) + (0 if value is None else 1 + values.index(value))
    return code


def encode_claim(claim: Claim) -> np.ndarray:
    """(5, ) int16: kind, description, second description, relation, number; unused ones repeat or are -1."""
    match claim:
        case Exists(description):
            code = _description_code(description)
            return np.array([_EXISTS, code, code, _NO_RELATION, -1], np.int16)
        case Count(description, number):
            code = _description_code(description)
            return np.array([_COUNT, code, code, _NO_RELATION, number], np.int16)
        case Pair(first, second, relation):
            direction = _NO_RELATION if relation is None else RELATIONS.index(relation)
            codes = _description_code(first), _description_code(second)
            return np.array([_PAIR, *codes, direction, -1], np.int16)
    raise TypeError(f'a claim is Exists, Count or Pair, got {type(claim).__name__}')


def relevance_matrix(claims: Sequence[Claim], scenes: Sequence[Scene]) -> np.ndarray:
    """(N, T) bool, entry [n, t] = `holds(claims[t], scenes[n])`."""
    claims_T5 = np.array([encode_claim(claim) for claim in claims], np.int16).reshape(-1, 5)
    scenes_NM6 = np.array([encode_scene(scene) for scene in scenes], np.int16).reshape(-1, MAX_OBJECTS, 6)
    return relevance_of_codes(claims_T5, scenes_NM6)


def relevance_of_codes(claims_T5: np.ndarray, scenes_NM6: np.ndarray) -> np.ndarray:
    """`relevance_matrix` of rows of `encode_claim` and `encode_scene`."""
    kind_T, first_T, second_T, relation_T, number_T = claims_T5.T
    codes, places = np.unique(np.stack([first_T, second_T]), return_inverse=True)
    first_T, second_T = places.reshape(2, -1)
    matching_ND = _matching_objects(scenes_NM6, codes)
    related_RNM = _related_objects(scenes_NM6)

    relevant_NT = np.zeros((len(scenes_NM6), len(claims_T5)), bool)
    exists = kind_T == _EXISTS
    relevant_NT[:, exists] = matching_ND[:, first_T[exists]] > 0
    counted = kind_T == _COUNT
    relevant_NT[:, counted] = _POPCOUNT[matching_ND[:, first_T[counted]]] == number_T[counted]

    paired = (kind_T == _PAIR) & (relation_T == _NO_RELATION)
    first, second = matching_ND[:, first_T[paired]], matching_ND[:, second_T[paired]]
    # Both match something, and not both the same single object.
    relevant_NT[:, paired] = (first > 0) & (second > 0) & (_POPCOUNT[first | second] > 1)
    for relation in range(len(RELATIONS)):
        chosen = (kind_T == _PAIR) & (relation_T == relation)
        first, second = matching_ND[:, first_T[chosen]], matching_ND[:, second_T[chosen]]
        true = np.zeros(first.shape, bool)
        for item in range(MAX_OBJECTS):
            true |= (first >> item & 1).astype(bool) & ((second & related_RNM[relation, :, item, None]) > 0)
        relevant_NT[:, chosen] = true
    return relevant_NT


def _matching_objects(scenes_NM6: np.ndarray, codes_D: np.ndarray) -> np.ndarray:
    """(N, D) uint8: bit m says that object m matches the description."""
    look_NM = np.zeros(scenes_NM6.shape[:2], np.int64)
    for attribute, number in enumerate(_NUM_VALUES):
        look_NM = look_NM * number + scenes_NM6[..., attribute]
    look_NM[scenes_NM6[..., 0] < 0] = len(_MATCHES) - 1
    table = _MATCHES[:, codes_D].astype(np.uint8)
    matching_ND = np.zeros((len(scenes_NM6), len(codes_D)), np.uint8)
    for item in range(MAX_OBJECTS):
        matching_ND |= table[look_NM[:, item]] << item
    return matching_ND


def _related_objects(scenes_NM6: np.ndarray) -> np.ndarray:
    """(R, N, M) uint8: bit k at object m says that m is left of (right of, above, below) object k.

    Places of no object have bits too; they do no harm because no description matches there.
    """
    x_NM, y_NM = scenes_NM6[..., 4].astype(np.int64), scenes_NM6[..., 5].astype(np.int64)
    right_NMM = x_NM[:, None, :] - x_NM[:, :, None]
    down_NMM = y_NM[:, None, :] - y_NM[:, :, None]
    distance_RNMM = np.stack([right_NMM, -right_NMM, down_NMM, -down_NMM])
    bits = (1 << np.arange(MAX_OBJECTS)).astype(np.uint8)
    return ((distance_RNMM >= MARGIN) * bits).sum(-1, dtype=np.uint8)


@TASK_UTILS.register_module()
class ShapeWorldRelevance:
    """Knows, from ids alone, which caption of a `ShapeWorld` is true of which of its images.

    Scenes and claims are generated again when an id is first met, and kept: some 200 bytes per image.

    Args:
        seed: of the world, as given to the dataset.
        captions_per_image, detail: as given to the dataset.
    """

    def __init__(self, seed: int = 0, captions_per_image: int = 5, detail: int = 0) -> None:
        check_world(seed, captions_per_image, detail)
        self.seed = seed
        self.captions_per_image, self.detail = captions_per_image, detail
        self._scenes: dict[int, np.ndarray] = {}
        self._claims: dict[int, np.ndarray] = {}

    def __call__(self, image_ids: np.ndarray, text_ids: np.ndarray) -> np.ndarray:
        """(N, T) bool for `image_ids` (N, ) and `text_ids` (T, ).

        Raises:
            ValueError: for ids that are not one-dimensional or are negative.
        """
        image_ids, text_ids = np.asarray(image_ids), np.asarray(text_ids)
        for name, ids in (('image_ids', image_ids), ('text_ids', text_ids)):
            if ids.ndim != 1 or (ids.size and ids.min() < 0):
                raise ValueError(f'{name} must be one-dimensional and not negative, got shape {ids.shape}: {ids}')
        scenes_NM6 = np.array([self._scene_code(int(i)) for i in image_ids], np.int16).reshape(-1, MAX_OBJECTS, 6)
        claims_T5 = np.array([self._claim_code(int(t)) for t in text_ids], np.int16).reshape(-1, 5)
        return relevance_of_codes(claims_T5, scenes_NM6)

    def _scene_code(self, image_id: int) -> np.ndarray:
        if image_id not in self._scenes:
            self._scenes[image_id] = encode_scene(scene_of(self.seed, image_id))
        return self._scenes[image_id]

    def _claim_code(self, text_id: int) -> np.ndarray:
        image_id, caption = divmod(text_id, self.captions_per_image)
        if image_id not in self._claims:
            captions = captions_of(self.seed, image_id, self.captions_per_image, self.detail)
            self._claims[image_id] = np.array([encode_claim(claim) for claim, _ in captions])
        return self._claims[image_id][caption]
