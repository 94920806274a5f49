"""A judge that sees only the words: naive Bayes on words and ordered pairs of words."""

from collections import Counter
from itertools import combinations

import numpy as np


class BlindJudge:
    """`fit` on texts and answers, then `accuracy` on others."""

    def fit(self, texts: list[str], answers: list[str]) -> 'BlindJudge':
        self.answers = sorted(set(answers))
        counts = {answer: Counter() for answer in self.answers}
        for text, answer in zip(texts, answers, strict=True):
            counts[answer].update(_features(text))
        total = Counter(answers)
        self.prior_A = np.log([total[answer] for answer in self.answers])
        self.log_odds = {
            feature: np.log([(counts[answer][feature] + 1) / (total[answer] + 2) for answer in self.answers])
            for feature in set().union(*counts.values())
        }
        return self

    def predict(self, text: str) -> str:
        known = (self.log_odds[feature] for feature in _features(text) if feature in self.log_odds)
        return self.answers[int(np.argmax(sum(known, start=self.prior_A)))]

    def accuracy(self, texts: list[str], answers: list[str]) -> float:
        return float(np.mean([self.predict(text) == answer for text, answer in zip(texts, answers, strict=True)]))


def _features(text: str) -> set:
    words = text.split()
    return {*words, *combinations(words, 2)}
