"""What both models find, side by side."""

from html import escape

from sacl_mm.report.gallery import TOP, Query, count_marks
from sacl_mm.report.marks import Mark
from sacl_mm.report.pictures import describe, picture_tag
from sacl_mm.report.summary import RUNS
from sacl_mm.report.validation import Validation


def html_section(
    by_caption: list[Query], by_image: list[Query], every_caption: list[Query], validation: Validation
) -> str:
    """`by_caption` and `by_image` are shown, `every_caption` is counted."""
    pictures, texts = len(validation.scenes), len(validation.claims)
    key = ''.join(
        f'<li class="{mark.css}"><span class="mark">{mark.symbol} {mark.word}</span> {mark.meaning}</li>'
        for mark in Mark
    )
    bars = ''.join(
        f'<h3 class="{run}">{name}</h3>{_shares(count_marks(every_caption, run))}' for run, name in RUNS.items()
    )
    captions = ''.join(_by_caption(query, validation) for query in by_caption)
    images = ''.join(_by_image(query, validation) for query in by_image)
    return f"""
<section id="gallery"><h2>What they find</h2>
<p>The first {TOP} results of both models for the same queries. A good model finds the annotated picture, but also the
others of which the caption is true, and where it errs, it errs towards pictures that match in part.</p>
<ul class="key">{key}</ul>
<h3>First {TOP} results of all {texts:,} captions</h3>
{bars}
<p class="note">The queries below are evenly spaced over the validation split, whatever they show: none was chosen by its
result.</p>
<h3>Captions searched among {pictures:,} pictures</h3>
{captions}
<h3 style="margin-top:1.6em">Pictures searched among {texts:,} captions</h3>
{images}</section>"""


def _shares(shares: dict[Mark, float]) -> str:
    spans = ''.join(
        f'<span class="{mark.css}" style="width:{share:.2f}%" title="{mark.word}: {share:.1f} %">'
        f'{f"{mark.symbol} {share:.0f} %" if share >= 7 else mark.symbol if share >= 2 else ""}</span>'
        for mark, share in shares.items()
    )
    return f'<div class="shares">{spans}</div>'


def _by_caption(query: Query, validation: Validation) -> str:
    caption = validation.captions[query.index]
    sides = {
        run: ''.join(_found_picture(i, mark, validation) for i, mark in found) for run, found in query.found.items()
    }
    return (
        f'<div class="query"><div class="asked"><p><strong>“{escape(caption)}”</strong> '
        f'<span class="note">true of {query.true:,} of {len(validation.scenes):,} pictures</span></p></div>'
        + _two_sides({run: f'<ol class="results">{content}</ol>' for run, content in sides.items()})
        + '</div>'
    )


def _by_image(query: Query, validation: Validation) -> str:
    scene = validation.scenes[query.index]
    sides = {run: ''.join(_found_text(t, mark, validation) for t, mark in found) for run, found in query.found.items()}
    return (
        f'<div class="query picture"><div class="asked">{picture_tag(scene, describe(scene))}<p class="note">'
        f'{query.true:,} of {len(validation.claims):,} captions are true of it</p></div>'
        + _two_sides({run: f'<ol class="texts">{content}</ol>' for run, content in sides.items()})
        + '</div>'
    )


def _two_sides(sides: dict[str, str]) -> str:
    parts = (f'<div class="side"><h3 class="{run}">{name}</h3>{sides[run]}</div>' for run, name in RUNS.items())
    return f'<div class="sides">{"".join(parts)}</div>'


def _found_picture(image: int, mark: Mark, validation: Validation) -> str:
    scene = validation.scenes[image]
    return (
        f'<li class="{mark.css}" title="{mark.meaning}">{picture_tag(scene, describe(scene))}'
        f'<span class="mark">{mark.symbol} {mark.word}</span></li>'
    )


def _found_text(text: int, mark: Mark, validation: Validation) -> str:
    return (
        f'<li class="{mark.css}" title="{mark.meaning}"><span class="mark">{mark.symbol} {mark.word}</span>'
        f'<span>{escape(validation.captions[text])}</span></li>'
    )
