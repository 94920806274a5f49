"""The loss and every policy once more, in plain loops over Python floats and float64 scalars: what the tests compare with."""

import math

import torch


def cosine(a, b):
    return (a * b).sum() / (a.norm() * b.norm())


def scheduled(value, progress):
    """Of a number, or of (first, last)."""
    first, last = value if isinstance(value, tuple) else (value, value)
    return first + (last - first) * progress


def agreed(name, evidence):
    """One anchor's values of evidence, of several names the least."""
    return [
        min(values) for values in zip(*(evidence[n] for n in ([name] if isinstance(name, str) else name)), strict=True)
    ]


def raw_weights(policy, sims, evidence, tau, progress, matches):
    """Weights of one anchor's negatives, given their (detached) similarities and evidence by name; and whether their mean
    shall be 1."""
    name, given = policy['type'], (sims, evidence, tau, progress, matches)
    if name == 'InfoNCE':
        return [1.0] * len(sims), False
    if name == 'HardNegativeNCE':
        return [math.exp(policy['beta'] * sim / tau) for sim in sims], True
    if name == 'OracleRemoval':
        return [0.0 if match else 1.0 for match in matches], False
    if name in ('MomentumDistillation', 'SoftTargets', 'SimilarityRegression'):
        return raw_weights(policy['base_policy'], *given)
    if name == 'WeightProduct':
        factors, flags = zip(*(raw_weights(part, *given) for part in policy['policies']), strict=True)
        return [math.prod(weights) for weights in zip(*factors, strict=True)], any(flags)
    if name == 'ThresholdRemoval':
        weights = negative_weights(policy['base_policy'], *given)
        keep = policy.get('keep_weights', False)
        return [0.0 if w < policy['threshold'] else (w if keep else 1.0) for w in weights], False
    if name == 'EvidenceRemoval':
        weights = negative_weights(policy['base_policy'], *given)
        found = agreed(policy['evidence'], evidence)
        return [0.0 if r >= policy['threshold'] else w for w, r in zip(weights, found, strict=True)], False
    assert name == 'SimilarityRegulation'
    alpha = scheduled(policy.get('alpha', 0.0), progress)
    tau_s = policy.get('similarity_temperature', 0.3)
    refs = sims if alpha == 0 else agreed(policy.get('evidence', 'reference'), evidence)
    s = [alpha * math.exp(r / tau_s) + (1 - alpha) * math.exp(c / tau_s) for r, c in zip(refs, sims, strict=True)]
    if policy.get('norm', 'mean') == 'mean':
        return [1 / value for value in s], True
    largest = max(policy['delta'] / value for value in s)
    return [math.exp(policy['delta'] / value - largest) for value in s], True


def negative_weights(*args):
    weights, normalise = raw_weights(*args)
    return [len(weights) * w / sum(weights) for w in weights] if normalise else weights


def soft_targets(policy, positives, negatives, evidence, tau, progress):
    """The share of the soft targets and these, by candidate; `evidence` by name, of all candidates."""
    if policy['type'] == 'MomentumDistillation':
        share = policy['weight'] * min(1.0, progress / policy['ramp'])
        scores = {j: math.exp(evidence['teacher'][j] / tau) for j in positives + negatives}
    else:
        share, temperature = scheduled(policy['weight'], progress), policy.get('temperature', 0.15)
        found, least = agreed(policy['evidence'], evidence), policy.get('least', -math.inf)
        kept = positives + [j for j in negatives if found[j] >= least]
        scores = {j: max(found[j], 0.0) if temperature is None else math.exp(found[j] / temperature) for j in kept}
        if not sum(scores.values()):
            scores = dict.fromkeys(positives, 1.0)
    return share, {j: score / sum(scores.values()) for j, score in scores.items()}


def of_direction(policy, anchors_are_images):
    """The policy of a direction, without PerDirection."""
    if policy['type'] == 'PerDirection':
        return of_direction(policy['image_policy' if anchors_are_images else 'text_policy'], anchors_are_images)
    if 'base_policy' in policy:
        return policy | dict(base_policy=of_direction(policy['base_policy'], anchors_are_images))
    return policy


def parts_of(policy):
    """The policy, and those that it changes."""
    while policy is not None:
        yield policy
        policy = policy.get('base_policy')


def direction_loss(
    anchors, candidates, anchor_ids, candidate_ids, tau, policy, progress=0.0, evidence=(), match=None, line=(1.0, 0.0)
):
    """Mean over anchors of Eq. 4 (or 5), and the regression of SimilarityRegression.

    `evidence`: by name, (anchors, candidates); `match(anchor, candidate)`: bool; `line`: a and b of the regression.
    """
    total, tau_value = 0.0, tau.item() if hasattr(tau, 'item') else tau
    for i in range(len(anchors)):
        sims = [cosine(anchors[i], candidates[j]) for j in range(len(candidates))]
        found = {
            name: [float((of_anchors[i] * of_candidates[j]).sum()) for j in range(len(candidates))]
            for name, (of_anchors, of_candidates) in dict(evidence).items()
        }
        positives = [j for j in range(len(candidates)) if candidate_ids[j] == anchor_ids[i]]
        negatives = [j for j in range(len(candidates)) if candidate_ids[j] not in (anchor_ids[i], -1)]
        of_negatives = {name: [values[j] for j in negatives] for name, values in found.items()}
        matches = None if match is None else [match(i, j) for j in negatives]
        negative_sims = [sims[j].item() for j in negatives]
        weights = negative_weights(policy, negative_sims, of_negatives, tau_value, progress, matches)
        # log(1 + sum over negatives / sum over positives) is true near 0, too, and log e^z is exactly z.
        largest = max(sims[j] / tau for j in positives)
        of_positives = sum(torch.exp(sims[j] / tau - largest) for j in positives)
        of_others = sum(w * torch.exp(sims[j] / tau - largest) for w, j in zip(weights, negatives, strict=True))
        log_positives, log_odds = torch.log(of_positives) + largest, torch.log1p(of_others / of_positives)
        targets = {j: 1 / len(positives) for j in positives}
        for part in parts_of(policy):
            if part['type'] in ('MomentumDistillation', 'SoftTargets'):
                share, soft = soft_targets(part, positives, negatives, found, tau_value, progress)
                targets = {j: (1 - share) * targets.get(j, 0) + share * soft.get(j, 0) for j in positives + negatives}
            if part['type'] == 'SimilarityRegression':
                pairs, values = positives + negatives, agreed(part['evidence'], found)
                errors = [(sims[j] - line[0] * values[j] - line[1]) ** 2 for j in pairs]
                total = total + part['weight'] * sum(errors) / len(pairs)
        total = total + sum(-target * ((sims[j] / tau - log_positives) - log_odds) for j, target in targets.items())
    return total / len(anchors)
