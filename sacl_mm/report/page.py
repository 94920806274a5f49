"""Both runs in one HTML file that needs nothing else."""

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from sacl_mm.report import curves_section, gallery_section, provenance, score_table, weights_section
from sacl_mm.report.evaluated_run import EvaluatedRun, evaluate_run
from sacl_mm.report.gallery import caption_queries, evenly_spaced, image_queries
from sacl_mm.report.style import STYLE
from sacl_mm.report.summary import RUNS, headline
from sacl_mm.report.validation import Validation
from sacl_mm.report.weights import batch_weights, batch_with_most_false_negatives

BATCH, SMALL_BATCH = 128, 10
CAPTION_QUERIES, IMAGE_QUERIES = 9, 4


@dataclass
class Report:
    """`path`: of the page; `metrics`: run -> measure -> value; how many pictures and captions they are over."""

    path: Path
    metrics: dict[str, dict[str, float]]
    images: int
    texts: int


def write_report(work_dir: Path, trainings: dict[str, dict]) -> Report:
    """Measure the runs below `work_dir` and write `report.html` and `results.json` there.

    Args:
        trainings: what is known about how the runs were made: run -> dict(command=..., seconds=...); may be empty.

    Raises:
        FileNotFoundError: a run is missing or not trained.
        ValueError: the two were validated on different data.
    """
    runs, validation = _evaluate(work_dir)
    metrics = {name: run.metrics for name, run in runs.items()}
    facts = provenance.provenance(runs, trainings)
    images, texts = len(validation.scenes), len(validation.claims)

    facts |= dict(headline=headline(metrics), images=images, texts=texts, written=date.today().isoformat())
    (work_dir / 'results.json').write_text(json.dumps(facts, indent=2, default=str) + '\n')
    path = work_dir / 'report.html'
    path.write_text(_page(_sections(runs, validation, metrics, facts), facts), encoding='utf-8')
    return Report(path, metrics, images, texts)


def _evaluate(work_dir: Path) -> tuple[dict[str, EvaluatedRun], Validation]:
    runs = {}
    for name in RUNS:
        runs[name], validation = evaluate_run(work_dir / name)
    if len({str(run.cfg.val_dataloader.dataset) for run in runs.values()}) > 1:
        raise ValueError(f'the runs below {work_dir} were validated on different data: train both again')
    return runs, validation


def _sections(runs: dict[str, EvaluatedRun], validation: Validation, metrics: dict, facts: dict) -> list[str]:
    images, texts = facts['images'], facts['texts']
    large = batch_weights(runs['sacl'], validation, np.arange(min(BATCH, images)))
    chosen = batch_with_most_false_negatives(validation, min(SMALL_BATCH, images))
    small = batch_weights(runs['sacl'], validation, chosen)
    return [
        score_table.html_section(metrics, images, texts),
        curves_section.html_section({name: run.curves for name, run in runs.items()}),
        weights_section.histogram_section(large),
        weights_section.heat_map_section(small, validation),
        gallery_section.html_section(
            caption_queries(runs, validation, evenly_spaced(texts, CAPTION_QUERIES)),
            image_queries(runs, validation, evenly_spaced(images, IMAGE_QUERIES)),
            caption_queries(runs, validation, list(range(texts))),
            validation,
        ),
        provenance.html_section(facts),
    ]


def _page(sections: list[str], facts: dict) -> str:
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>SACL against InfoNCE in the shape world</title><style>{STYLE}</style></head><body><main>
<header><h1>SACL against InfoNCE, where every truth is known</h1>
<p class="lead">Contrastive learning with InfoNCE treats every caption of another picture as wrong, also where it is right.
SACL (Jiang et al., ACL 2023) pushes captions that resemble the picture away less. Here both losses train the same small
model on rendered scenes, of which it is known exactly what is true.</p></header>
{''.join(sections)}
<footer>Written {facts['written']} by sacl_mm {facts['versions']['sacl_mm']}.</footer>
</main></body></html>
"""
