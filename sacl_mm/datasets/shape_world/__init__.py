"""A rendered world in which every statement's truth is known.

Read in this order: scene (what there is), claim (what can be said, exactly), phrase and caption (in words), render (in an
image), relevance (all claims against all scenes), world (the numbered lists of scenes), dataset. Then repaint (scenes
made to order), question and question_text, pair_statement, vocabulary, and the datasets of questions and pairs.
"""

from sacl_mm.datasets.shape_world.caption import WORDS, sample_claim, word_claim
from sacl_mm.datasets.shape_world.claim import RELATIONS, Claim, Count, Description, Exists, Pair, count, holds, related
from sacl_mm.datasets.shape_world.dataset import ShapeWorld
from sacl_mm.datasets.shape_world.objects import ShapeWorldObjects, label_cells
from sacl_mm.datasets.shape_world.pair_statement import PairGroup, PairStatement, is_true, sample_group, word_statement
from sacl_mm.datasets.shape_world.pairs import ShapeWorldPairs
from sacl_mm.datasets.shape_world.question import (
    AreMore,
    HowMany,
    IsTrue,
    Question,
    WhatIs,
    answer,
    sample_counted_scene,
    sample_question,
)
from sacl_mm.datasets.shape_world.question_text import word_question
from sacl_mm.datasets.shape_world.questions import ShapeWorldQuestions
from sacl_mm.datasets.shape_world.relevance import ShapeWorldRelevance, encode_claim, relevance_matrix
from sacl_mm.datasets.shape_world.render import render_scene
from sacl_mm.datasets.shape_world.repaint import sample_paint, sample_scene_with, swap_values, turn
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
from sacl_mm.datasets.shape_world.vocabulary import SPECIAL_TOKENS, shape_world_answers, shape_world_vocabulary
from sacl_mm.datasets.shape_world.world import captions_of, counted_scene_of, pair_group_of, questions_of, scene_of

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
    'AreMore',
    'Claim',
    'Count',
    'Description',
    'Exists',
    'HowMany',
    'IsTrue',
    'Pair',
    'PairGroup',
    'PairStatement',
    'Question',
    'Scene',
    'ShapeWorld',
    'ShapeWorldObjects',
    'ShapeWorldPairs',
    'ShapeWorldQuestions',
    'ShapeWorldRelevance',
    'WhatIs',
    'WorldObject',
    'answer',
    'captions_of',
    'count',
    'counted_scene_of',
    'encode_claim',
    'encode_scene',
    'holds',
    'is_true',
    'label_cells',
    'pair_group_of',
    'questions_of',
    'related',
    'relevance_matrix',
    'render_scene',
    'sample_claim',
    'sample_counted_scene',
    'sample_group',
    'sample_paint',
    'sample_question',
    'sample_scene',
    'sample_scene_with',
    'scene_of',
    'shape_world_answers',
    'shape_world_vocabulary',
    'swap_values',
    'turn',
    'word_claim',
    'word_question',
    'word_statement',
]
