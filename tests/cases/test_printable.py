"""Names from files reach terminal, log and HTML escaped."""

import pytest

from sacl_mm.user_error import AnnotationError, BrokenSampleError, NonFiniteError, UserError, printable

UNSAFE = {
    'an escape sequence': ('a\x1b[31mb.jpg', 'a\\x1b[31mb.jpg'),
    'a newline': ('a\nb.jpg', 'a\\nb.jpg'),
    'a carriage return': ('a\rb.jpg', 'a\\rb.jpg'),
    'a C1 control': ('a\x9bb.jpg', 'a\\x9bb.jpg'),
    'a right-to-left override': ('a\u202egpj.exe', 'a\\u202egpj.exe'),
    'a lone surrogate': ('a\udcffb.jpg', 'a\\udcffb.jpg'),
    'a line separator': ('a\u2028b.jpg', 'a\\u2028b.jpg'),
}


@pytest.mark.parametrize(('name', 'shown'), UNSAFE.values(), ids=UNSAFE)
def test_unsafe_characters_are_shown_as_escapes(name, shown):
    assert printable(name) == shown


@pytest.mark.parametrize('error', [UserError, AnnotationError, NonFiniteError, BrokenSampleError])
def test_every_error_of_the_project_escapes_its_message(error):
    assert str(error('a\x1b[2Jb')) == 'a\\x1b[2Jb'


@pytest.mark.parametrize('name', ['a b.jpg', 'größe.png', '犬.jpg', '🐕.jpg'])
def test_letters_of_all_scripts_stay_as_they_are(name):
    assert printable(name) == name
