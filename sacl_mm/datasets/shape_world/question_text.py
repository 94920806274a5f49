"""Questions in lower-case English, ending in ' ?', from a closed vocabulary."""

import numpy as np

from sacl_mm.datasets.shape_world.claim import Description, Exists, Pair
from sacl_mm.datasets.shape_world.phrase import PHRASES, RELATION_WORDS, noun_phrase, one_phrase, pick, words_in
from sacl_mm.datasets.shape_world.question import AreMore, HowMany, IsTrue, Question, WhatIs

_EXISTS = ('is there {} ?', 'is there {} in the picture ?', 'does the picture show {} ?', 'can you see {} ?')
_RELATION = ('is {} {} {} ?', 'is there {} {} {} ?', 'does the picture show {} {} {} ?', 'can you see {} {} {} ?')
_MORE = ('are there more {} than {} ?', 'does the picture show more {} than {} ?', 'can you see more {} than {} ?')
_FEWER = ('are there fewer {} than {} ?', 'does the picture show fewer {} than {} ?')
_COUNT = ('how many {} are there ?', 'how many {} can you see ?', 'how many {} does the picture show ?')
_ATTRIBUTE = ('what {0} is the {1} ?', 'what is the {0} of the {1} ?', 'which {0} does the {1} have ?')
_ATTRIBUTE_NAMES = {'shape': ('shape',), 'colour': ('colour',), 'size': ('size',), 'texture': ('texture', 'pattern')}


def word_question(question: Question, rng: np.random.Generator) -> str:
    """The question in words; synonyms and sentence are drawn from `rng`.

    Raises:
        TypeError: for what is no question.
    """
    match question:
        case IsTrue(Exists(description)):
            return pick(_EXISTS, rng).format(one_phrase(description, rng, may_use_with=True))
        case IsTrue(Pair(first, second, relation)) if relation is not None:
            another = 'another' if first == second else None
            return pick(_RELATION, rng).format(
                one_phrase(first, rng), pick(RELATION_WORDS[relation], rng), one_phrase(second, rng, article=another)
            )
        case AreMore(first, second):
            many, few = noun_phrase(first, rng, plural=True), noun_phrase(second, rng, plural=True)
            sentence = pick((*_MORE, *_FEWER), rng)
            return sentence.format(few, many) if sentence in _FEWER else sentence.format(many, few)
        case HowMany(description):
            return pick(_COUNT, rng).format(noun_phrase(description, rng, plural=True))
        case WhatIs(description, attribute):
            name = pick(_ATTRIBUTE_NAMES[attribute], rng)
            return pick(_ATTRIBUTE, rng).format(name, _noun_phrase_without(name, description, rng))
    raise TypeError(f'no words for {question!r}')


def _noun_phrase_without(word: str, description: Description, rng: np.random.Generator) -> str:
    """Nobody asks for the shape of the red shape."""
    while word in (phrase := noun_phrase(description, rng)).split():
        pass
    return phrase


_SENTENCES = (*_EXISTS, *_RELATION, *_MORE, *_FEWER, *_COUNT, *_ATTRIBUTE)
_NAMES = (name for names in _ATTRIBUTE_NAMES.values() for name in names)
# Every word that a question can contain.
QUESTION_WORDS = ('?', *sorted(words_in((*PHRASES, *_SENTENCES, *_NAMES))))
