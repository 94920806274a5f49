"""The table of measures, for the page and for the terminal; the better value is bold."""

from html import escape

from rich.table import Table

from sacl_mm.report.summary import MEASURES, RUNS, Measure, better, difference, headline, protocol, shown, where_behind

Metrics = dict[str, dict[str, float]]


def rich_table(metrics: Metrics, images: int, texts: int) -> Table:
    table = Table(title='SACL against InfoNCE', caption=protocol(images, texts), caption_justify='left')
    for name in ('measure', 'direction'):
        table.add_column(name)
    for name in (*RUNS.values(), 'difference'):
        table.add_column(name, justify='right')
    for measure in MEASURES:
        winner = better(measure, metrics)
        values = [shown(metrics[run][measure.key]) for run in RUNS]
        bold = [f'[bold green]{v}[/]' if run == winner else v for run, v in zip(RUNS, values, strict=True)]
        table.add_row(measure.label, measure.direction, *bold, _difference(measure, metrics))
    return table


def html_section(metrics: Metrics, images: int, texts: int) -> str:
    rows = []
    for measure in MEASURES:
        winner = better(measure, metrics)
        cells = ''.join(
            f'<td class="number{" best" if run == winner else ""}">{shown(metrics[run][measure.key])}</td>'
            for run in RUNS
        )
        rows.append(
            f'<tr><td>{escape(measure.label)} <span class="direction">{measure.direction}</span></td>{cells}'
            f'<td class="number">{_difference(measure, metrics)}</td></tr>'
        )
    names = ''.join(f'<th class="number {run}">{name}</th>' for run, name in RUNS.items())
    return f"""
<section id="result"><h2>Result</h2>
<p class="headline">{escape(headline(metrics))}</p>
<p>{escape(where_behind(metrics))}</p>
<div class="cards">{''.join(_card(measure, metrics) for measure in MEASURES[:1] + MEASURES[5:7])}</div>
<p>A caption is annotated for one picture only, yet it is often true of others. <dfn>R@k</dfn> counts a search as right only
if the annotated match is among the first k. The <dfn>graded</dfn> measures (<dfn>mAP</dfn>, <dfn>P@1</dfn>) count every true
match, which the embedded world knows exactly. <dfn>Known false negatives</dfn> are the true matches that are not annotated:
the lower their mean rank, the nearer to the top of the list a model puts them.</p>
<div class="scroll"><table class="scores"><thead><tr><th>measure</th>{names}
<th class="number">difference</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>
<p class="note">{escape(protocol(images, texts))} ● marks the better value. Difference = SACL &minus; InfoNCE. How much the
numbers vary from seed to seed is not measured here.</p></section>"""


def _card(measure: Measure, metrics: Metrics) -> str:
    winner = better(measure, metrics)
    verdict = {'sacl': 'SACL is better', 'infonce': 'InfoNCE is better', None: 'both are level'}[winner]
    values = ' '.join(
        f'<span class="{run}"><b>{shown(metrics[run][measure.key])}</b> {name}</span>' for run, name in RUNS.items()
    )
    return (
        f'<div class="card"><div class="name">{escape(measure.label)}<br>{measure.direction}</div>'
        f'<div class="values">{values}</div><div class="name">{verdict}</div></div>'
    )


def _difference(measure: Measure, metrics: Metrics) -> str:
    value = difference(measure, metrics)
    return f'{value:+,.1f}' if value else '0.0'
