"""How the two trainings went."""

from sacl_mm.report.line_chart import Series, line_chart
from sacl_mm.report.scalars import Curve
from sacl_mm.report.summary import RUNS

Curves = dict[str, dict[str, Curve]]


def html_section(curves: Curves) -> str:
    """`curves`: run -> name of the scalar -> its curve."""
    charts = [
        (_chart('Contrastive loss', curves, 'loss_itc', 'iteration', 'loss_itc'),
         'The contrastive term of the loss. The weights change what it counts, so its height is not comparable between '
         'the two; its course is.'),
        (_chart('Validation', curves, 'retrieval/mAP', 'epoch', 'graded mAP, %'),
         'Mean average precision over all true matches, mean of both directions.'),
        (_chart('Temperature', curves, 'temperature', 'iteration', 'learned temperature'),
         'Similarities are divided by it: the smaller, the harder near matches are pushed apart.'),
        (_mutual_information(curves),
         'MI-N is the information that features keep about negatives. Dots: the target that the weights set (0 for '
         'InfoNCE, whose weights are all 1).'),
    ]  # fmt: skip
    figures = ''.join(f'<figure>{chart}<figcaption>{caption}</figcaption></figure>' for chart, caption in charts)
    return f"""
<section id="curves"><h2>The two trainings</h2>
<p>Both runs share model, data, order of the samples and seed; only the weights of the negatives in the contrastive loss
differ. SACL takes them from the finished InfoNCE model at first and more and more from itself. In theory InfoNCE drives
the information about all negatives down, true or false, while SACL's weights aim at a positive value (the target). The
estimate is normalised over the candidates and so lies below 0: compare the runs, not a run with its target.</p>
<div class="charts">{figures}</div></section>"""


def _chart(title: str, curves: Curves, name: str, x_label: str, y_label: str) -> str:
    series = [Series(label, curves[run].get(name, []), run) for run, label in RUNS.items()]
    return line_chart(f'{title} of both runs', series, x_label, y_label)


def _mutual_information(curves: Curves) -> str:
    series = [Series(label, curves[run].get('mi_negative', []), run) for run, label in RUNS.items()]
    series += [
        Series(f'{label} target', curves[run].get('mi_negative_target', []), run, dash='2 5')
        for run, label in RUNS.items()
    ]
    return line_chart('MI-N of both runs and its target', series, 'iteration', 'nats')
