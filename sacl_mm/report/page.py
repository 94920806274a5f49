"""The report: everything about one or several runs in one HTML file that needs nothing else.

The page is made of templates (`templates/`), one a section; each section says in one line what it lacks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sacl_mm.broken_sample import BrokenSampleError
from sacl_mm.engine.output_file import write_json
from sacl_mm.report.curves import curve_figures
from sacl_mm.report.gallery import TOP, Mark, caption_queries, count_marks, evenly_spaced, image_queries
from sacl_mm.report.provenance import checkpoint_of, config_of, report_facts, run_facts
from sacl_mm.report.retrieval import Retrieval, embed
from sacl_mm.report.runs import last_values, read_curves
from sacl_mm.report.scores import Score, headline, score_table, where_behind
from sacl_mm.report.weights import batch_weights, small_batch, weight_histogram
from sacl_mm.user_error import UserError, printable

BATCH, SMALL_BATCH = 128, 10
CAPTION_QUERIES, IMAGE_QUERIES = 9, 4
# What is wrong with a checkpoint or its data; the page says so and goes on without.
_REASONS = (UserError, BrokenSampleError, OSError, ValueError)


@dataclass
class Report:
    """`names`: the runs that were measured; `table`: their scores; `lacking`: what the page could not show, and why."""

    path: Path
    names: list[str]
    table: list[Score]
    lacking: dict[str, list[str]] = field(default_factory=dict)


def write_report(
    work_dirs: Mapping[str, Path],
    out: Path,
    title: str = 'Report of runs',
    lead: str = '',
    notes: Mapping[str, Mapping[str, str]] | None = None,
) -> Report:
    """Write the page, and its numbers beside it as JSON.

    Args:
        work_dirs: name of a run, as the page shows it -> its work directory, of a training or a test.
        out: the page, an .html file.
        lead: what the page begins with.
        notes: name of a run -> further facts about it, such as its command.

    Raises:
        UserError: there is no such work directory, nothing was logged in any of them, or a file in one is damaged.
    """
    lacking: dict[str, list[str]] = dict(scores=[], retrieval=[], weights=[])
    scores = _read_scores(work_dirs, lacking['scores'])
    curves = {name: read_curves(folder) for name, folder in work_dirs.items()}
    if not scores and not any(curves.values()):
        raise UserError(lacking['scores'][0])
    facts, retrieved = _load(work_dirs, lacking['retrieval'])
    for name, known in (notes or {}).items():
        facts[name] |= known
    report = Report(out, list(scores), score_table(list(scores.values())), lacking)
    sentences = [headline(report.names, report.table), where_behind(report.table)] if len(scores) == 2 else []
    made = report_facts()
    page = (
        environment()
        .get_template('page.html')
        .render(
            title=title,
            lead=lead,
            runs=list(work_dirs),
            names=report.names,
            table=report.table,
            sentences=sentences,
            figures=curve_figures({name: known for name, known in curves.items() if known}),
            weights=_weights(retrieved, lacking['weights']),
            gallery=_gallery(retrieved),
            facts=facts,
            made=made,
            numbers=out.with_suffix('.json').name,
            lacking=lacking,
        )
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page, encoding='utf-8')
    write_json(str(out.with_suffix('.json')), dict(scores=scores, runs=facts, **made, lacking=lacking))
    return report


def _read_scores(work_dirs: Mapping[str, Path], lacking: list[str]) -> dict[str, dict[str, float]]:
    scores = {}
    for name, folder in work_dirs.items():
        if not folder.is_dir():
            last_values(folder)  # raises
        try:
            scores[name] = last_values(folder)
        except UserError as error:
            lacking.append(str(error))
    return scores


def _load(work_dirs: Mapping[str, Path], lacking: list[str]) -> tuple[dict[str, dict], dict[str, Retrieval]]:
    """Facts about each run, and the models of those that retrieve among the same images."""
    facts: dict[str, dict] = {name: {} for name in work_dirs}
    retrieved: dict[str, Retrieval] = {}
    for name, folder in work_dirs.items():
        try:
            cfg = config_of(folder)
            facts[name] = run_facts(folder, cfg)
            checkpoint, split = checkpoint_of(folder, cfg)
            facts[name] |= dict(checkpoint=checkpoint.name)
            run = embed(cfg, checkpoint, split)
            first, of_first = next(iter(retrieved.items()), (name, run))
            if run.images.captions != of_first.images.captions:
                raise UserError(f'it is measured on other data than {first}')
            retrieved[name] = run
        except _REASONS as error:
            lacking.append(f'{name}: {printable(error)}')
    return facts, retrieved


def _weights(retrieved: Mapping[str, Retrieval], lacking: list[str]) -> dict[str, dict]:
    shown = {}
    for name, run in retrieved.items():
        total = len(run.images.image_ids)
        try:
            large = batch_weights(run, np.arange(min(BATCH, total)))
            small = batch_weights(run, small_batch(run.images, min(SMALL_BATCH, total)))
        except ValueError as error:
            lacking.append(f'{name}: {printable(error)}')
            continue
        if large.is_uniform:
            lacking.append(f'{name}: every negative has the weight 1')
            continue
        shown[name] = dict(large=large, small=small, svg=weight_histogram(large), images=run.images)
    return shown


def _gallery(retrieved: Mapping[str, Retrieval]) -> dict | None:
    if not retrieved:
        return None
    images = next(iter(retrieved.values())).images
    texts = len(images.captions)
    every = caption_queries(retrieved, list(range(texts)))
    shares = {name: count_marks(every, name) for name in retrieved}
    return dict(
        images=images,
        top=TOP,
        # Marks of a truth that nobody knows need no key.
        marks=[mark for mark in Mark if any(mark in known for known in shares.values())],
        shares=shares,
        by_caption=caption_queries(retrieved, evenly_spaced(texts, CAPTION_QUERIES)),
        by_image=image_queries(retrieved, evenly_spaced(len(images.image_ids), IMAGE_QUERIES)),
    )


def environment() -> Environment:
    """Whatever a template shows is escaped, and control characters in it are shown as such."""
    return Environment(
        loader=PackageLoader('sacl_mm.report'),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if isinstance(value, Markup) else printable(value),
    )
