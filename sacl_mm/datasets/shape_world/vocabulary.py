"""All words of the world, as the vocabulary of a tokenizer."""

from sacl_mm.datasets.shape_world.caption import WORDS
from sacl_mm.datasets.shape_world.pair_statement import STATEMENT_WORDS
from sacl_mm.datasets.shape_world.question import ANSWERS
from sacl_mm.datasets.shape_world.question_text import QUESTION_WORDS
from sacl_mm.registry import TASK_UTILS

SPECIAL_TOKENS = ('[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]')


@TASK_UTILS.register_module()
def shape_world_vocabulary(questions: bool = False) -> list[str]:
    """BERT's special tokens ([PAD] is 0) and all words: the lines of a WordPiece `vocab.txt` without any [UNK].

    Args:
        questions: whether the further words of questions, answers and statements about two images follow. Those of
            the captions keep their places, so that a model trained without them can go on with them.
    """
    further = (*QUESTION_WORDS, *ANSWERS, *STATEMENT_WORDS) if questions else ()
    return [*SPECIAL_TOKENS, *WORDS, *sorted(set(further) - set(WORDS))]


@TASK_UTILS.register_module()
def shape_world_answers() -> list[str]:
    """Every answer that a question can have."""
    return list(ANSWERS)
