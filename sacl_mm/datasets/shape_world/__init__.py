"""A rendered world in which every statement's truth is known.

Read in this order: scene (what there is), claim (what can be said, exactly), caption (in words), render (in a picture),
relevance (all claims against all scenes), world (the numbered list of scenes), dataset.
"""

from sacl_mm.datasets.shape_world.caption import SPECIAL_TOKENS, WORDS, sample_claim, shape_world_vocabulary, word_claim
from sacl_mm.datasets.shape_world.claim import RELATIONS, Claim, Count, Description, Exists, Pair, count, holds, related
from sacl_mm.datasets.shape_world.dataset import ShapeWorld
from sacl_mm.datasets.shape_world.relevance import ShapeWorldRelevance, encode_claim, relevance_matrix
from sacl_mm.datasets.shape_world.render import render_scene
from sacl_mm.datasets.shape_world.scene import (
    ATTRIBUTES,
    COLOURS,
    MARGIN,
    MAX_OBJECTS,
    RADII,
    SHAPES,
    SIDE,
    SIZES,
    TEXTURES,
    Scene,
    WorldObject,
    encode_scene,
    sample_scene,
)
from sacl_mm.datasets.shape_world.world import captions_of, scene_of

__all__ = [
    'ATTRIBUTES',
    'COLOURS',
    'MARGIN',
    'MAX_OBJECTS',
    'RADII',
    'RELATIONS',
    'SHAPES',
    'SIDE',
    'SIZES',
    'SPECIAL_TOKENS',
    'TEXTURES',
    'WORDS',
    'Claim',
    'Count',
    'Description',
    'Exists',
    'Pair',
    'Scene',
    'ShapeWorld',
    'ShapeWorldRelevance',
    'WorldObject',
    'captions_of',
    'count',
    'encode_claim',
    'encode_scene',
    'holds',
    'related',
    'relevance_matrix',
    'render_scene',
    'sample_claim',
    'sample_scene',
    'scene_of',
    'shape_world_vocabulary',
    'word_claim',
]
