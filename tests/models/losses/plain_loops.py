"""The loss and every policy once more, in plain loops over Python floats and float64 scalars: what the tests compare with."""

import math

import torch


def cosine(a, b):
    return (a * b).sum() / (a.norm() * b.norm())


def negative_weights(policy, sims, refs, tau, progress, matches):
    """Weights of one anchor's negatives, given their (detached) similarities."""
    name, options = policy['type'], {k: v for k, v in policy.items() if k != 'type'}
    count = len(sims)
    if name == 'InfoNCE':
        return [1.0] * count
    if name == 'HardNegativeNCE':
        scores = [math.exp(options['beta'] * sim / tau) for sim in sims]
        return [count * score / sum(scores) for score in scores]
    if name == 'OracleRemoval':
        return [0.0 if match else 1.0 for match in matches]
    if name in ('MomentumDistillation', 'SimilarityRegression'):
        return negative_weights(options['base_policy'], sims, refs, tau, progress, matches)
    if name == 'ThresholdRemoval':
        weights = negative_weights(options['base_policy'], sims, refs, tau, progress, matches)
        keep = options.get('keep_weights', False)
        return [0.0 if w < options['threshold'] else (w if keep else 1.0) for w in weights]
    assert name == 'SimilarityRegulation'
    first, last = options['alpha'] if isinstance(options.get('alpha', 0.0), tuple) else (options.get('alpha', 0.0),) * 2
    alpha = first + (last - first) * progress
    tau_s = options.get('similarity_temperature', 0.3)
    refs = sims if refs is None else refs
    s = [alpha * math.exp(r / tau_s) + (1 - alpha) * math.exp(c / tau_s) for r, c in zip(refs, sims, strict=True)]
    if options.get('norm', 'mean') == 'mean':
        raw = [1 / value for value in s]
    else:
        largest = max(options['delta'] / value for value in s)
        raw = [math.exp(options['delta'] / value - largest) for value in s]
    return [count * value / sum(raw) for value in raw]


def direction_loss(
    anchors, candidates, anchor_ids, candidate_ids, tau, policy, progress=0.0, evidence=(), match=None, line=(1.0, 0.0)
):
    """Mean over anchors of Eq. 4 (or 5), and the regression of SimilarityRegression.

    `evidence`: by name, (anchors, candidates); `match(anchor, candidate)`: bool; `line`: a and b of the regression.
    """
    total, tau_value = 0.0, tau.item() if hasattr(tau, 'item') else tau
    for i in range(len(anchors)):

        def inner(name, j, i=i):
            of_anchors, of_candidates = evidence[name]
            return float((of_anchors[i] * of_candidates[j]).sum())

        sims = [cosine(anchors[i], candidates[j]) for j in range(len(candidates))]
        positives = [j for j in range(len(candidates)) if candidate_ids[j] == anchor_ids[i]]
        negatives = [j for j in range(len(candidates)) if candidate_ids[j] not in (anchor_ids[i], -1)]
        refs = [inner('reference', j) for j in negatives] if 'reference' in evidence else None
        matches = None if match is None else [match(i, j) for j in negatives]
        weights = negative_weights(policy, [sims[j].item() for j in negatives], refs, tau_value, progress, matches)
        # log(1 + sum over negatives / sum over positives) is true near 0, too, and log e^z is exactly z.
        largest = max(sims[j] / tau for j in positives)
        of_positives = sum(torch.exp(sims[j] / tau - largest) for j in positives)
        of_negatives = sum(w * torch.exp(sims[j] / tau - largest) for w, j in zip(weights, negatives, strict=True))
        log_positives, log_odds = torch.log(of_positives) + largest, torch.log1p(of_negatives / of_positives)
        targets = {j: 1 / len(positives) for j in positives}
        if policy['type'] == 'MomentumDistillation':
            share = policy['weight'] * min(1.0, progress / policy['ramp'])
            scores = {j: math.exp(inner('teacher', j) / tau_value) for j in positives + negatives}
            targets = {j: (1 - share) * targets.get(j, 0) + share * scores[j] / sum(scores.values()) for j in scores}
        total = total + sum(-target * ((sims[j] / tau - log_positives) - log_odds) for j, target in targets.items())
        if policy['type'] == 'SimilarityRegression':
            pairs = positives + negatives
            errors = [(sims[j] - line[0] * inner(policy['evidence'], j) - line[1]) ** 2 for j in pairs]
            total = total + policy['weight'] * sum(errors) / len(pairs)
    return total / len(anchors)
