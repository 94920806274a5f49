"""Expected values are derived by hand from the official steps (vqaEval.py of GT-Vision-Lab/VQA)."""

import pytest

from sacl_mm.functional.answer_normalisation import normalise_answer, one_line


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        # articles and case
        ('The Cat', 'cat'),
        ('an apple on a table', 'apple on table'),
        ('A', ''),
        ('theatre', 'theatre'),
        # number words, whole words up to ten
        ('Two', '2'),
        ('none', '0'),
        ('zero', '0'),
        ('ten', '10'),
        ('eleven', 'eleven'),
        ('twenty-one', 'twenty 1'),
        # contractions
        ('dont', "don't"),
        ("don't", "don't"),
        ('Dont', "don't"),
        ("couldnt've", "couldn't've"),
        ("couldn'tve", "couldn't've"),
        ('couldntve', 'couldntve'),
        ("somebody'd", 'somebodyd'),
        ("ow's'at", "'ow's'at"),
        ('Im', 'im'),
        ('shes', 'shes'),
        # punctuation between letters becomes a space
        ('t-shirt', 't shirt'),
        ('and/or', 'and or'),
        ('(left)', 'left'),
        ('yes!', 'yes'),
        # punctuation that stands at a space anywhere in the answer vanishes, also where it stands between letters
        ('yes, sir', 'yes sir'),
        ('black/white / red', 'blackwhite red'),
        # a comma between two digits makes all punctuation vanish
        ('1,000', '1000'),
        ('1,000-2,000', '10002000'),
        ('1, 2', '1 2'),
        ('red,blue', 'red blue'),
        # periods stay in front of a digit only
        ('2.5', '2.5'),
        ('.5', '.5'),
        ('5.', '5'),
        ('U.S.', 'us'),
        ('...', ''),
        ('.' * 34, '..'),
        # what is no punctuation to the official code
        ('10:30', '10:30'),
        ('50%', '50%'),
        ("dog's", "dog's"),
        # the order: a punctuation mark may free a number word or an article, contractions come last
        ('one,two', '1 2'),
        ('a-frame', 'frame'),
        ('on-e', 'on e'),
        ('wh.ats', "what's"),
        # white space
        ('  two \n dogs\t', '2 dogs'),
        ('red,\nblue', 'red blue'),
        ('', ''),
    ],
)
def test_table(text, expected):
    assert normalise_answer(text) == expected


def test_one_line_changes_white_space_only():
    assert one_line(' The\nred\tOne. ') == 'The red One.'
