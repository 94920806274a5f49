"""Which negatives the trained SACL model pushes away, and how much."""

import math
from html import escape

import numpy as np

from sacl_mm.report.histogram import Group, histogram
from sacl_mm.report.marks import Mark
from sacl_mm.report.pictures import describe, picture_tag
from sacl_mm.report.validation import Validation
from sacl_mm.report.weights import BatchWeights

# Full colour at a quarter and at four times the mean weight.
_FULL = math.log(4)
_OPACITY = 0.62


def histogram_section(batch: BatchWeights) -> str:
    false, true = batch.false_negatives, batch.true_negatives
    groups = [
        Group(f'false negatives ({false.size:,})', false, 'false-negative'),
        Group(f'true negatives ({true.size:,})', true, 'true-negative'),
    ]
    chart = histogram(
        'Weights of false and of true negatives',
        groups,
        'weight of a negative',
        line_at=1.0,
        line_label='InfoNCE: all 1',
    )
    return f"""
<section id="histogram"><h2>What the weights do</h2>
<p>For a picture (the <dfn>anchor</dfn>), the captions of all other pictures in the batch are <dfn>negatives</dfn>: the loss
pushes them away. Some are true of the picture all the same: <dfn>false negatives</dfn>. InfoNCE pushes every negative with
the <dfn>weight</dfn> 1; SACL gives less weight to negatives that resemble the anchor, with mean 1 for every anchor.</p>
<p class="headline">{_means(false, true)}</p>
<figure>{chart}<figcaption>The first {len(batch.images_B)} validation pairs as one batch, picture → text, the SACL model at
the end of its training; each group adds up to 100 %, the last bin has all larger weights. No training has seen these pictures,
and no weight has seen which negatives are false.</figcaption></figure></section>"""


def _means(false: np.ndarray, true: np.ndarray) -> str:
    if not false.size:
        return f'This batch has no known false negative; true negatives weigh {true.mean():.2f} on average.'
    verdict = 'less than' if false.mean() < true.mean() else 'no less than'
    return (
        f'Known false negatives weigh {false.mean():.2f} on average, {verdict} true negatives, which weigh '
        f'{true.mean():.2f}; {100 * (false < 1).mean():.0f} % of the false and {100 * (true < 1).mean():.0f} % of the true '
        'ones are pushed less than by InfoNCE.'
    )


def heat_map_section(batch: BatchWeights, validation: Validation) -> str:
    size = len(batch.images_B)
    heads = ''.join(
        f'<th scope="col">{picture_tag(validation.scenes[i], describe(validation.scenes[i]), side=132)}</th>'
        for i in batch.images_B
    )
    rows = []
    for column, text in enumerate(batch.texts_B):
        cells = ''.join(
            _cell(batch.weight_BB[row, column], row == column, batch.false_negative_BB[row, column])
            for row in range(size)
        )
        rows.append(f'<tr><th scope="row">{escape(validation.captions[text])}</th>{cells}</tr>')
    number = int(batch.false_negative_BB.sum())
    return f"""
<section id="heat-map"><h2>One small batch, pair by pair</h2>
<p>Each column is a picture, each row the caption of one of them; a cell is the weight with which the loss pushes this
caption away from this picture (mean 1 in every column). Where the model has understood both, the marked false
negatives are blue: pushed less. {_means(batch.false_negatives, batch.true_negatives)}</p>
<ul class="key">
<li><span class="swatch" style="border-color:var(--annotated);color:var(--annotated)">{Mark.ANNOTATED.symbol}</span>the
picture's own caption, no negative</li>
<li><span class="swatch" style="border-color:var(--false-negative)">{Mark.UNANNOTATED.symbol}</span>false negative: true of
the picture, too</li>
<li><span class="swatch" style="background:rgba(var(--low),.55)">&nbsp;</span>weight under 1</li>
<li><span class="swatch" style="background:rgba(var(--high),.55)">&nbsp;</span>weight over 1</li></ul>
<div class="scroll"><table class="heat"><thead><tr><th>caption ↓ &nbsp; picture →</th>{heads}</tr></thead>
<tbody>{''.join(rows)}</tbody></table></div>
<p class="note">Not a typical batch: of all batches of {size} consecutive validation pictures this is the one with the most
known false negatives, {number} of {size * (size - 1)} negatives. It was chosen by that alone, without a look at the
weights. A picture's weights here have mean 1 over these {size - 1} negatives.</p></section>"""


def _cell(weight: float, positive: bool, false_negative: bool) -> str:
    if positive:
        return f'<td class="positive" title="its own caption">{Mark.ANNOTATED.symbol}</td>'
    strength = math.log(max(weight, 1e-6)) / _FULL
    opacity = _OPACITY * min(1.0, abs(strength))
    css, symbol, title = 'high' if strength > 0 else 'low', '', 'negative'
    if false_negative:
        css, symbol, title = f'{css} fn', f' {Mark.UNANNOTATED.symbol}', 'false negative: also true of this picture'
    return f'<td class="{css}" style="--a:{opacity:.2f}" title="{title}">{weight:.2f}{symbol}</td>'
