import math
from collections import Counter

import numpy as np
import pytest

from sacl_mm.functional.cider import cider_matrix

CAPTIONS = [
    ['A dog runs on the beach.', 'a brown dog is running', "A dog's run at the beach"],
    ['Two children play on the beach', 'children playing in the sand , laughing'],
    ['A man climbs a rock wall', 'a man climbs'],
    ['the dog'],
]


def grams(text, n):
    words = ''.join(c if c.isalnum() or c == "'" else ' ' for c in text.lower()).split()
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def in_plain_loops(captions):
    texts = [text for own in captions for text in own]
    consensus = np.zeros((len(captions), len(texts)))
    for n in (1, 2, 3, 4):
        having = Counter(gram for own in captions for gram in {g for text in own for g in grams(text, n)})

        def vector(text, n=n, having=having):
            return {gram: number * math.log(len(captions) / having[gram]) for gram, number in grams(text, n).items()}

        def cosine(a, b):
            lengths = math.sqrt(sum(x * x for x in a.values()) * sum(x * x for x in b.values()))
            return sum(a[g] * b.get(g, 0) for g in a) / lengths if lengths else 0.0

        for i, own in enumerate(captions):
            for t, text in enumerate(texts):
                consensus[i, t] += np.mean([cosine(vector(text), vector(other)) for other in own]) / 4
    return consensus


def test_equals_plain_loops():
    np.testing.assert_allclose(cider_matrix(CAPTIONS), in_plain_loops(CAPTIONS), atol=1e-6)


def test_the_same_words_are_worth_one_and_others_nothing():
    consensus = cider_matrix([['a red kite in the sky'], ['a red kite in the sky'], ['two men']])
    np.testing.assert_allclose(consensus, [[1, 1, 0], [1, 1, 0], [0, 0, 0.5]], atol=1e-6)  # two men: no 3- and 4-grams


def test_what_all_images_have_tells_nothing():
    assert cider_matrix([['a'], ['a'], ['a']]).tolist() == [[0.0] * 3] * 3


def test_an_image_without_a_caption_is_named():
    with pytest.raises(ValueError, match='without a caption: 1'):
        cider_matrix([['a dog'], [], ['a cat']])
