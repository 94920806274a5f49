"""The parts of a transformer layer: `FusionLayer`'s names and, beside them, BERT's (transformers' and ALBEF's)."""

BERT_LAYER_NAMES = {
    'self_attention.query': 'attention.self.query',
    'self_attention.key': 'attention.self.key',
    'self_attention.value': 'attention.self.value',
    'self_attention.output': 'attention.output.dense',
    'self_attention_norm': 'attention.output.LayerNorm',
    'expand': 'intermediate.dense',
    'contract': 'output.dense',
    'feed_forward_norm': 'output.LayerNorm',
}
CROSS_ATTENTION_NAMES = {
    ours.replace('self_', 'cross_'): theirs.replace('attention.', 'crossattention.', 1)
    for ours, theirs in BERT_LAYER_NAMES.items()
    if ours.startswith('self_')
}
