"""Accuracy of the answer to a visual question, from 0 to 1, one question at a time."""

from collections.abc import Sequence

from sacl_mm.functional.answer_normalisation import normalise_answer, one_line


def vqa_accuracy(answer: str, human_answers: Sequence[str]) -> float:
    """The VQA benchmark's accuracy: the mean over the n ways to leave one annotator out of min(matches / 3, 1).

    With m of the n annotators matching, m subsets hold m - 1 matches and n - m subsets hold m:
    `(m min((m - 1) / 3, 1) + (n - m) min(m / 3, 1)) / n`; for n = 10 that is 0, 0.3, 0.6, 0.9, 1 for m = 0, 1, 2, 3, 4+.

    Texts are compared as `normalise_answer` gives them, but, an official quirk, as they are written (see `one_line`)
    if all annotators wrote the same. The benchmark has n = 10. For n < 4 the others are fewer than 3: as many as there
    are must match, so that a unanimous answer is right for any n. A single annotator must be matched, normalised.

    Source: Antol et al., VQA, ICCV 2015, as https://github.com/GT-Vision-Lab/VQA computes it.

    Raises:
        ValueError: there is no annotator.
    """
    answer, *humans = (one_line(text) for text in (answer, *human_answers))
    count = len(humans)
    if count == 0:
        raise ValueError('vqa_accuracy needs the answer of one annotator at least')
    if count == 1 or len(set(humans)) > 1:
        answer, *humans = (normalise_answer(text) for text in (answer, *humans))
    matches = humans.count(answer)
    if count == 1:
        return float(matches)
    needed = min(3, count - 1)
    return (matches * min((matches - 1) / needed, 1) + (count - matches) * min(matches / needed, 1)) / count


def exact_accuracy(answer: str, human_answers: Sequence[str]) -> float:
    """1 if the answer names all the right names and nothing else, otherwise 0; for questions that one annotator answered.

    An answer is a set of names: the text split at commas, in lower case, without spaces at the ends. The set of the right
    names is that of all `human_answers` together, whether they are given as 'lamp, bed' or as 'lamp' and 'bed'.

    Raises:
        ValueError: there is no annotator.
    """
    if not human_answers:
        raise ValueError('exact_accuracy needs the answer of one annotator at least')
    return float(_names(answer) == _names(','.join(human_answers)))


def _names(text: str) -> set[str]:
    return {name.strip().lower() for name in text.split(',')} - {''}
