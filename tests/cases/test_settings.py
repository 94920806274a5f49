"""Settings that can only diverge or do nothing are refused where a part is built, in a line that names them."""

import math

import pytest
from tiny import TOWERS, VOCAB, model_config

from sacl_mm.build_errors import build_mistake
from sacl_mm.functional.settings import check_count, check_number, first_and_last
from sacl_mm.registry import LOOPS, METRICS, MODELS

NAN, INF = math.nan, math.inf
PREPROCESSOR = dict(type='ImageTextPreprocessor', vocab_size=VOCAB)
NCE = dict(type='InfoNCE')
POLICIES = dict(
    distillation=dict(type='MomentumDistillation', base_policy=NCE),
    removal=dict(type='ThresholdRemoval', base_policy=NCE),
    directions=dict(type='PerDirection', image_policy=NCE, text_policy=NCE),
    product=dict(type='WeightProduct', policies=[NCE, dict(type='HardNegativeNCE')]),
    soft=dict(type='SoftTargets', evidence='captions', base_policy=NCE),
    evidence=dict(type='EvidenceRemoval', evidence='captions', threshold=0.5, base_policy=NCE),
    regulation=dict(type='SimilarityRegulation'),
    softmax=dict(type='SimilarityRegulation', norm='softmax'),
    hard=dict(type='HardNegativeNCE'),
    oracle=dict(type='OracleRemoval'),
)
LOSS = dict(type='SACLContrastiveLoss')
BERT = dict(type='BertTextEncoder', vocab_size=20, width=16, num_layers=1, num_heads=2, max_length=9)
FUSION = dict(type='FusionEncoder', width=16, image_width=12, num_layers=1, num_heads=2)
DECODER = dict(type='AnswerDecoder', vocab_size=20, width=16, num_layers=1, num_heads=2, max_length=9)
NECK = dict(type='ImageTokenNeck', in_channels=8, out_channels=16)
REDUCTION = dict(type='TokenReductionNeck', in_channels=8)
VIT = dict(TOWERS['vision_backbone'], type='TokenReducedViT', reduction_layers=(1,), keep_rate=0.5)
POOLED = dict(type='PooledHead', in_channels=8, embed_dims=4)
FEATURES = dict(type='FeatureTowers', image_dims=8, text_dims=8, hidden=4, embed_dims=4)
BLIP_HEAD = dict(type='ImageTextContrastiveHead', embed_dim=4, queue_size=4)
CELLS = dict(type='CellAttributeHead', in_channels=4, num_values=[2])

STDS = ([0, 0, 0], [1, 1, -1], [1, NAN, 1], [1, 1], 64.0, None)
PARTS = [
    *[
        (PREPROCESSOR, dict(mean=[0.0] * 3, std=std), 'std')
        for std in ([0, 0, 0], [1, 1, -1], [1, NAN, 1], [1, 1], 64.0, None)
    ],
    *[
        (PREPROCESSOR, dict(mean=mean, std=[1.0] * 3), 'mean')
        for mean in ([0, 0], [NAN] * 3, [INF] * 3, 'grey', 0.5, None)
    ],
    *[(PREPROCESSOR, dict(vocab_size=size), 'vocab_size') for size in (0, -1, 2.5, '89', True)],
    *[(PREPROCESSOR, dict(pad_token=token), 'pad_token') for token in (VOCAB, -1, None)],
    *[(POLICIES['distillation'], dict(ramp=ramp), 'ramp') for ramp in (-1, 1.5, NAN, INF, 'slow', None)],
    *[(POLICIES['distillation'], dict(weight=weight), 'weight') for weight in (5, -0.1, NAN, '0.4')],
    (POLICIES['distillation'], dict(base_policy=NECK), 'base_policy'),
    (POLICIES['distillation'], dict(base_policy='InfoNCE'), 'base_policy'),
    *[(POLICIES['removal'], dict(threshold=threshold), 'threshold') for threshold in (0, -1, 1, 2, NAN, INF)],
    (POLICIES['removal'], dict(base_policy=None), 'base_policy'),
    *[(POLICIES['soft'], dict(weight=weight), 'weight') for weight in (5, NAN, (0, 2), (0, 1, 0), 'half', None)],
    *[(POLICIES['soft'], dict(temperature=value), 'temperature') for value in (0, -1, NAN, INF, 'low')],
    *[(POLICIES['soft'], dict(least=value), 'least') for value in (NAN, INF, '0.5')],
    *[(POLICIES['soft'], dict(evidence=evidence), 'evidence') for evidence in (None, [], '', ['captions', 1])],
    *[(POLICIES['evidence'], dict(threshold=value), 'threshold') for value in (NAN, INF, None, '0.5')],
    (POLICIES['evidence'], dict(base_policy=None), 'base_policy'),
    *[(POLICIES['directions'], {name: NECK}, name) for name in ('image_policy', 'text_policy')],
    *[(POLICIES['product'], dict(policies=given), 'policies') for given in ([], None, NCE, [NCE, NECK], [NCE, 1])],
    *[
        (POLICIES['regulation'], dict(alpha=alpha), 'alpha')
        for alpha in (-0.1, 1.1, NAN, (1, NAN), (1,), (1, 0, 0), 'high')
    ],
    *[
        (POLICIES['regulation'], dict(similarity_temperature=value), 'similarity_temperature')
        for value in (0, -1, NAN, INF, None)
    ],
    *[(POLICIES['softmax'], dict(delta=delta), 'delta') for delta in (0, -2, NAN, INF)],
    *[(POLICIES['hard'], dict(beta=beta), 'beta') for beta in (-1, NAN, INF, 'strong')],
    (POLICIES['oracle'], dict(relevance=7), 'relevance'),
    *[(LOSS, dict(temperature=value), 'temperature') for value in (0, -1, NAN, INF, 0.9, '0.07')],
    *[
        (LOSS, dict(temperature_bounds=bounds), 'temperature')
        for bounds in ((0.5, 0.001), (0.1, 0.5), (0.001, 0.05), (0, 0.5), (0.001, NAN), (0.001, INF), (0.001,), ())
    ],
    *[(LOSS, dict(block_pairs=value), 'block_pairs') for value in (0, -1, 2.5, NAN)],
    *[
        (part, dict(num_layers=value), 'num_layers')
        for part in (BERT, FUSION, dict(FUSION, type='PairedFusionEncoder'), DECODER)
        for value in (-1, 0, 1.5)
    ],
    *[(part, dict(num_heads=value), 'num_heads') for part in (BERT, FUSION, DECODER) for value in (3, 0, -2)],
    *[(part, dict(dropout=value), 'dropout') for part in (BERT, FUSION, DECODER) for value in (2, -0.1, NAN, 1)],
    *[(part, dict(width=value), 'width') for part in (BERT, FUSION, DECODER) for value in (0, -16)],
    *[(part, dict(max_length=value), 'max_length') for part in (BERT, DECODER) for value in (0, 1, -1)],
    *[(part, dict(vocab_size=value), 'vocab_size') for part in (BERT, DECODER) for value in (0, -1)],
    *[(part, dict(length_buckets=value), 'length_buckets') for part in (BERT, FUSION) for value in (0, -1, 1.5)],
    *[(part, dict(checkpoint_rows=value), 'checkpoint_rows') for part in (FUSION, TOWERS) for value in (0, -1, 0.5)],
    (FUSION, dict(image_width=0), 'image_width'),
    (FUSION, dict(first_bert_layer=-1), 'first_bert_layer'),
    *[(TOWERS, dict(embed_dims=value), 'embed_dims') for value in (0, -1, 2.5)],
    *[(NECK, dict(num_layers=value), 'num_layers') for value in (-1, 1.5)],
    (NECK, dict(num_layers=1, num_heads=3), 'num_heads'),
    (NECK, dict(in_channels=0), 'in_channels'),
    (NECK, dict(out_channels=0), 'out_channels'),
    *[(part, dict(keep_rate=value), 'keep_rate') for part in (REDUCTION, VIT) for value in (0, -0.5, 1.5, NAN, None)],
    *[
        (VIT, dict(reduction_layers=layers), 'reduction_layers')
        for layers in ((0,), (3,), (-1,), (1, 1), (), (1.5,), ('first',))
    ],
    *[
        (part, {key: 0}, name)
        for part, key, name in ((POOLED, 'hidden', 'hidden'), (POOLED, 'embed_dims', 'embed_dims'))
    ],
    *[(part, {key: 1.0}, key) for part in (POOLED, FEATURES) for key in ('dropout', 'input_dropout')],
    (FEATURES, dict(image_dims=0), 'input size'),
    *[(BLIP_HEAD, dict(queue_size=value), 'queue_size') for value in (0, -1, NAN)],
    (BLIP_HEAD, dict(embed_dim=0), 'embed_dim'),
    (CELLS, dict(num_values=[]), 'num_values'),
    (CELLS, dict(num_values=[2, 0]), 'num_values'),
    (dict(type='MatchingHead'), dict(width=0), 'width'),
    (dict(type='MaskedLanguageHead'), dict(vocab_size=0), 'vocab_size'),
]
TEACHER = dict(decay=0.9)
MODEL = [
    *[(dict(mask_token=token), 'mask_token') for token in (500, VOCAB, -1, None, 4.0)],
    *[(dict(queue_size=size), 'queue_size') for size in (-1, 2.5, NAN)],
    *[(dict(diagnostics_interval=value), 'diagnostics_interval') for value in (-1, 0.5, NAN)],
    *[(dict(momentum=dict(decay=value)), 'decay') for value in (1.5, -0.1, 1, NAN)],
    *[(dict(momentum=dict(TEACHER, mlm_distillation=value)), 'mlm_distillation') for value in (5, -1, NAN)],
    *[(dict(momentum=dict(TEACHER, ramp=value)), 'ramp') for value in (-1, 2, NAN)],
    *[
        (dict(negative_temperature=value), 'negative_temperature')
        for value in (NAN, INF, 0, (1, NAN), (1, 2, 3), 'hard')
    ],
    (dict(towers=dict(TOWERS, embed_dims=None)), 'embed_dims'),
    (dict(data_preprocessor=dict(PREPROCESSOR, vocab_size=VOCAB + 1)), 'data_preprocessor has a vocab_size of 90'),
    (dict(masked_language_head=dict(type='MaskedLanguageHead', width=32, vocab_size=VOCAB - 1)), 'vocab_size of 88'),
    (
        dict(masked_language_head=dict(type='MaskedLanguageHead', width=16, vocab_size=VOCAB)),
        "masked_language_head's width",
    ),
    (
        dict(matching_head=dict(type='MatchingHead', width=16)),
        "matching_head's width is 16, the multimodal_backbone's is 32",
    ),
    (
        dict(multimodal_backbone=dict(model_config()['multimodal_backbone'], width=16)),
        "the multimodal_backbone's width is 16",
    ),
    (
        dict(multimodal_backbone=dict(model_config()['multimodal_backbone'], image_width=16)),
        "the multimodal_backbone's image_width is 16",
    ),
]
PAIRED = dict(type='PairedFusionEncoder', width=32, image_width=32, num_layers=1, num_heads=2)
DOWNSTREAM = {
    'answers': dict(
        type='VisualQuestionAnswering',
        data_preprocessor=PREPROCESSOR,
        towers=dict(TOWERS, embed_dims=None),
        multimodal_backbone=model_config()['multimodal_backbone'],
        answer_decoder=dict(DECODER, vocab_size=200, width=32),
        answers=['yes', 'no'],
        tokenizer=dict(type='WordPieceTokenizer', vocab=dict(type='shape_world_vocabulary', questions=True)),
    ),
    'pairs': dict(
        type='ImagePairReasoning',
        data_preprocessor=PREPROCESSOR,
        towers=dict(TOWERS, embed_dims=None),
        multimodal_backbone=PAIRED,
    ),
}
OTHER_MODELS = [
    *[('answers', dict(num_candidates=value), 'num_candidates') for value in (0, -1, 2.5)],
    ('answers', dict(answer_decoder=dict(DECODER, vocab_size=5, width=32)), 'answers have token id'),
    (
        'answers',
        dict(answer_decoder=dict(DECODER, vocab_size=200, width=32, max_length=2)),
        'longest answer has 3 tokens',
    ),
    ('answers', dict(answer_decoder=dict(DECODER, vocab_size=200)), "answer_decoder's width is 16"),
    ('answers', dict(data_preprocessor=dict(PREPROCESSOR, vocab_size=500)), 'vocab_size of 500'),
    ('pairs', dict(multimodal_backbone=dict(PAIRED, width=16)), "the multimodal_backbone's width is 16"),
    (
        'pairs',
        dict(multimodal_backbone=dict(PAIRED, num_layers=0)),
        'num_layers must be a whole number of at least 1, got 0',
    ),
    ('pairs', dict(data_preprocessor=dict(PREPROCESSOR, vocab_size=500)), 'vocab_size of 500'),
]


def refused(build, config, message):
    """One line, which `run_tool` turns into one that names the type."""
    with pytest.raises(ValueError, match=message) as caught:
        build(config)
    assert '\n' not in str(caught.value)
    mistake = build_mistake(caught.value)
    assert mistake is not None
    assert 'type' in mistake


def name_of(value):
    return value if isinstance(value, str) else value.get('type', str(value)) if isinstance(value, dict) else str(value)


def label(part, change):
    return f'{part["type"]}: ' + ', '.join(f'{key}={value}' for key, value in change.items())


@pytest.mark.parametrize(('part', 'change', 'message'), PARTS, ids=[label(part, change) for part, change, _ in PARTS])
def test_a_part_refuses(part, change, message):
    refused(MODELS.build, part | change, message)


@pytest.mark.parametrize('part', [part for part, _, _ in PARTS if part['type'] != 'OracleRemoval'][::3], ids=name_of)
def test_the_same_parts_are_built_without_the_change(part):
    MODELS.build(dict(part))


@pytest.mark.parametrize(
    ('change', 'message'), MODEL, ids=[label(dict(type='SACLPretrain'), change)[:70] for change, _ in MODEL]
)
def test_pretraining_refuses(change, message):
    refused(MODELS.build, model_config(**change), message)


@pytest.mark.parametrize(('name', 'change', 'message'), OTHER_MODELS, ids=[message for _, _, message in OTHER_MODELS])
def test_a_model_of_a_task_refuses(name, change, message):
    MODELS.build(dict(DOWNSTREAM[name]))
    refused(MODELS.build, DOWNSTREAM[name] | change, message)


@pytest.mark.parametrize('k', [0, -1, 2.5, NAN, None])
def test_re_ranking_refuses_a_number_of_candidates(k):
    runner = type('R', (), dict(visualizer=type('V', (), {})()))()
    from mmengine.evaluator import Evaluator
    from torch.utils.data import DataLoader

    config = dict(type='RerankingTestLoop', runner=runner, dataloader=DataLoader([0]), evaluator=Evaluator([]), k=k)
    refused(LOOPS.build, config, 'k must be a whole number')


@pytest.mark.parametrize('kind', ['RetrievalMetric', 'RankingMetric', 'CaptionConsensus'])
@pytest.mark.parametrize('topk', [-1, 0, (), (1, 0), (1, 2.5), [5, None], True], ids=lambda topk: f'topk={topk}')
def test_metrics_refuse_topk(kind, topk):
    refused(METRICS.build, dict(type=kind, topk=topk), 'topk must be a whole number of at least 1')


@pytest.mark.parametrize('attributes', [[], 'shape'])
def test_cell_attributes_must_be_named(attributes):
    refused(METRICS.build, dict(type='CellAttributeAccuracy', attributes=attributes), 'attributes must be a list')


@pytest.mark.parametrize(
    ('interval', 'inside', 'outside'),
    [
        ('(0, 1]', (1, 1e-9, 0.5), (0, 1.1, -1, NAN)),
        ('[0, 1)', (0, 0.999), (1, -1e-9, NAN)),
        ('(0, inf)', (1e30, 1e-30), (0, INF, -INF, NAN)),
        ('(-inf, inf)', (-1e30, 0), (INF, -INF, NAN, None, '0', True)),
    ],
)
def test_intervals_are_those_of_mathematics(interval, inside, outside):
    for value in inside:
        check_number('x', value, interval)
    for value in outside:
        with pytest.raises(ValueError, match='x must be a number in'):
            check_number('x', value, interval)


def test_counts_and_courses():
    check_count('x', 3, 1, 3)
    with pytest.raises(ValueError, match='x must be a whole number from 1 to 3, got 4'):
        check_count('x', 4, 1, 3)
    assert first_and_last('x', 1, '[0, 1]') == (1.0, 1.0)
    assert first_and_last('x', [1, 0.5], '[0, 1]') == (1.0, 0.5)
