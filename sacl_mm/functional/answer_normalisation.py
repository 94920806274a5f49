"""The official normalisation of answers to visual questions (https://github.com/GT-Vision-Lab/VQA, vqaEval.py)."""

import re

_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_COMMA_IN_NUMBER = re.compile(r'\d,\d')
_PERIOD_NOT_IN_NUMBER = re.compile(r'\.(?!\d)')
# The official code passes a flag of value 32 as `count`, so it removes only the first 32 periods.
_MOST_PERIODS = 32
_ARTICLES = {'a', 'an', 'the'}
_NUMBERS = {
    word: str(value)
    for value, word in enumerate('zero one two three four five six seven eight nine ten'.split())  # noqa: SIM905
} | {'none': '0'}

_CONTRACTED = """
    'ow's'at 'twas ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't
    he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am might've mightn't mightn't've must've mustn't
    needn't not've o'clock oughtn't shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll
    somebody's someone'd someone'd've someone'll someone's something'd something'd've something'll that's there'd
    there'd've there're there's they'd they'd've they'll they're they've wasn't we'd've we've weren't what'll what're
    what's what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't would've
    wouldn't wouldn't've y'all y'all'd've y'all'll you'd you'd've you'll you're you've
""".split()  # noqa: SIM905
# A word that lacks one apostrophe gets it back. One official entry goes the other way.
_CONTRACTIONS = {
    word[:place] + word[place + 1 :]: word for word in _CONTRACTED for place, letter in enumerate(word) if letter == "'"
} | {"somebody'd": 'somebodyd'}


def one_line(text: str) -> str:
    """Line breaks and tabs become spaces; no space at the ends. Answers that are not normalised get this alone."""
    return text.replace('\n', ' ').replace('\t', ' ').strip()


def normalise_answer(text: str) -> str:
    """The answer in the form in which the VQA benchmark compares answers. The steps, in the official order:

    1. Punctuation becomes a space; it vanishes instead where the answer has the mark at a space ('yes, sir'), or has a
       comma between two digits anywhere ('1,000'). Apostrophes, colons, `'&%$*` and the like stay.
    2. A period that no digit follows vanishes ('u.s.' -> 'us', '2.5' stays).
    3. Lower case; number words up to ten become digits ('none' is 0), then articles vanish.
    4. Words that lack an apostrophe get it ('dont' -> "don't").
    """
    text = one_line(text)
    in_number = _COMMA_IN_NUMBER.search(text) is not None
    vanishing = {mark for mark in _PUNCTUATION if in_number or f'{mark} ' in text or f' {mark}' in text}
    text = text.translate({ord(mark): '' if mark in vanishing else ' ' for mark in _PUNCTUATION})
    text = _PERIOD_NOT_IN_NUMBER.sub('', text, count=_MOST_PERIODS)
    words = (_NUMBERS.get(word, word) for word in text.lower().split())
    return ' '.join(_CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)
