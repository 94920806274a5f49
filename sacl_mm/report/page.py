"""The report: everything about one or several runs in one HTML file that needs nothing else.

The page is made of templates (`templates/`), one a section; each section says in one line what it lacks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sacl_mm.engine.checks.files import write_json
from sacl_mm.inference.model_folder import config_of
from sacl_mm.report.curves import curve_figures
from sacl_mm.report.gallery import TOP, Mark, caption_queries, count_marks, evenly_spaced, image_queries
from sacl_mm.report.provenance import checkpoint_of, report_facts, run_facts
from sacl_mm.report.retrieval import Retrieval, embed
from sacl_mm.report.runs import check_is_folder, last_values, read_curves
from sacl_mm.report.scores import Score, headline, score_table
from sacl_mm.report.weights import batch_weights, small_batch, weight_histogram
from sacl_mm.user_error import BrokenSampleError, UserError, printable

BATCH, SMALL_BATCH = 128, 10
CAPTION_QUERIES, IMAGE_QUERIES = 9, 4


@dataclass
class Report:
    """`names`: the runs that were measured; `table`: their scores; `lacking`: what a section does not show, and why."""

    path: Path
    names: list[str]
    table: list[Score]
    headline: str
    lacking: dict[str, list[str]]


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
    for folder in work_dirs.values():
        check_is_folder(folder)
    curves = {name: read_curves(folder) for name, folder in work_dirs.items()}
    scores = _scores(work_dirs, lacking['scores'])
    if not scores and not any(curves.values()):
        raise UserError(lacking['scores'][0])
    facts, retrieved = _retrieved(work_dirs, lacking)
    for name, known in (notes or {}).items():
        facts[name] |= known
    names, table = list(scores), score_table(list(scores.values()))
    report = Report(
        out, names, table, headline(names, table) if len(names) == 2 and not lacking['scores'] else '', lacking
    )
    made, numbers = report_facts(), out.with_suffix('.json')
    template = environment().get_template('page.html')
    page = template.render(
        title=title,
        lead=lead,
        runs=list(work_dirs),
        report=report,
        figures=curve_figures({name: known for name, known in curves.items() if known}),
        weights=batch_weights_of(retrieved, lacking['weights']),
        gallery=_gallery(retrieved) if retrieved else None,
        facts=facts,
        made=made,
        numbers=numbers.name,
    )
    write_json(str(numbers), dict(scores=scores, runs=facts, lacking=lacking, **made))
    out.write_text(page, encoding='utf-8')
    return report


def _scores(work_dirs: Mapping[str, Path], lacking: list[str]) -> dict[str, dict[str, float]]:
    """The last scores of each run that was measured."""
    scores = {}
    for name, folder in work_dirs.items():
        try:
            scores[name] = last_values(folder)
        except UserError as error:
            lacking.append(str(error))
    return scores


def _retrieved(
    work_dirs: Mapping[str, Path], lacking: dict[str, list[str]]
) -> tuple[dict[str, dict], dict[str, Retrieval]]:
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
            first, other = next(iter(retrieved.items()), (name, run))
            if run.images.captions != other.images.captions:
                lacking['scores'].append(f'{name} is measured on other data than {first}: their scores do not compare')
                raise UserError(f'measured on other data than {first}')
            retrieved[name] = run
        # What is wrong with a checkpoint or its data: the page says so and goes on without.
        except (UserError, BrokenSampleError, OSError, ValueError) as error:
            lacking['retrieval'].append(f'{name}: {printable(error)}')
    return facts, retrieved


def batch_weights_of(retrieved: Mapping[str, Retrieval], lacking: list[str]) -> dict[str, dict]:
    """What weights.html shows of each run; what it cannot show goes to `lacking`, with the reason."""
    shown = {}
    for name, run in retrieved.items():
        try:
            large = batch_weights(run, np.arange(min(BATCH, len(run.images))))
            small = batch_weights(run, small_batch(run.images, min(SMALL_BATCH, len(run.images))))
        except ValueError as error:
            lacking.append(f'{name}: {printable(error)}')
            continue
        if large.is_uniform:
            lacking.append(f'{name}: every negative has the weight 1')
        else:
            shown[name] = dict(large=large, small=small, svg=weight_histogram(large), images=run.images)
    return shown


def _gallery(retrieved: Mapping[str, Retrieval]) -> dict[str, object]:
    images = next(iter(retrieved.values())).images
    texts = len(images.captions)
    every = caption_queries(retrieved, list(range(texts)))
    shares = {name: count_marks(every, name) for name in retrieved}
    return dict(
        images=images,
        top=TOP,
        marks=[mark for mark in Mark if any(mark in known for known in shares.values())],
        shares=shares,
        by_caption=caption_queries(retrieved, evenly_spaced(texts, CAPTION_QUERIES)),
        by_image=image_queries(retrieved, evenly_spaced(len(images), IMAGE_QUERIES)),
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
