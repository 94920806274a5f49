"""The inferencer says what the model says of the same samples in its own data loader, whatever form they come in."""

import textwrap
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from PIL import Image
from tiny import PIPELINE, TOWERS, model_config

import sacl_mm.inference
from sacl_mm.datasets import ImageTextPairs, ShapeWorld, ShapeWorldPairs, ShapeWorldQuestions
from sacl_mm.engine.config_check import UserError
from sacl_mm.inference import ImageTextInferencer
from sacl_mm.inference.sample_preparation import LoadPicture
from sacl_mm.registry import MODELS

PICTURES, CAPTIONS, WORDS = 6, 2, 120
WORLD = dict(type='ShapeWorld', num_images=PICTURES, image_size=32, captions_per_image=CAPTIONS, test_mode=True)
TOKENIZER = dict(type='WordPieceTokenizer', vocab=dict(type='shape_world_vocabulary', questions=True))
TOKENIZE = dict(type='sacl_mm.TokenizeText', tokenizer=TOKENIZER, max_length=40)
FILES = [
    dict(type='LoadImageFromFile'),
    dict(type='mmpretrain.Resize', scale=(32, 32), interpolation='bicubic', backend='pillow'),
    dict(type='mmpretrain.CleanCaption', keys='text', remove_chars=',.!?'),
]


def model_of(kind: str) -> dict:
    """The model's configuration."""
    config = model_config(type=kind)
    for key in ('masked_language_head', 'mask_token') if kind != 'SACLPretrain' else ():
        del config[key]
    if kind == 'DualEncoder':
        del config['fusion'], config['matching_head'], config['queue_size']
    if kind in ('VisualQuestionAnswering', 'ImagePairReasoning'):
        towers = dict(TOWERS, embed_dims=None, text_encoder=dict(TOWERS['text_encoder'], vocab_size=WORDS))
        config = dict(
            type=kind, towers=towers, fusion=config['fusion'],
            data_preprocessor=dict(config['data_preprocessor'], vocab_size=WORDS),
        )  # fmt: skip
    if kind == 'VisualQuestionAnswering':
        decoder = dict(type='AnswerDecoder', vocab_size=WORDS, width=32, num_layers=1, num_heads=2)
        config |= dict(answer_decoder=decoder, answers=dict(type='shape_world_answers'), tokenizer=TOKENIZER)
    if kind == 'ImagePairReasoning':
        config['fusion'] = dict(config['fusion'], type='PairedFusionEncoder')
    return config


def saved(folder: Path, kind: str, dataset: dict | None = None, **settings):
    """Configuration file, checkpoint file and the model itself, with random weights."""
    cfg = Config(
        dict(
            default_scope='sacl_mm',
            model=model_of(kind),
            test_dataloader=dict(dataset=dataset or dict(WORLD, pipeline=PIPELINE)),
            **settings,
        )
    )
    path = folder / f'{kind}.py'
    cfg.dump(path)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    with torch.no_grad():  # spread what the model says, so that nothing hangs on rounding
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.3)
    torch.save(dict(state_dict=model.state_dict(), meta=dict(epoch=1)), folder / f'{kind}.pth')
    return path, folder / f'{kind}.pth', model


def load(folder: Path, kind: str, batch_size: int = 4, **options):
    config, checkpoint, model = saved(folder, kind, **options)
    return ImageTextInferencer(config, checkpoint, device='cpu', batch_size=batch_size), model


def arrays() -> list[np.ndarray]:
    return [sample['img'] for sample in ShapeWorld(**{k: v for k, v in WORLD.items() if k != 'type'})]


def write(folder: Path, pictures: list[np.ndarray]) -> list[str]:
    paths = [str(folder / f'{number}.png') for number in range(len(pictures))]
    for path, picture in zip(paths, pictures, strict=True):
        cv2.imwrite(path, picture)
    return paths


def captions() -> list[str]:
    world = ShapeWorld(**{k: v for k, v in WORLD.items() if k != 'type'})
    return [text for sample in world for text in sample['text']]


@torch.no_grad()
def encoded(model):
    """The test set as the data loader gives it, and both towers' outputs."""
    world = ShapeWorld(**{k: v for k, v in WORLD.items() if k != 'type'}, pipeline=PIPELINE)
    batch = model.data_preprocessor(pseudo_collate(list(world)), False)
    return batch, *model.encode(batch)


@torch.no_grad()
def plain_logits(model) -> torch.Tensor:
    """(N, T, 2), each pair fused alone."""
    batch, image, text = encoded(model)
    logits = torch.empty(len(image.feature), len(text.feature), 2)
    for n in range(logits.shape[0]):
        for t in range(logits.shape[1]):
            length = int(batch['text_mask'][t].sum())
            tokens, mask = text.tokens[t : t + 1, :length], batch['text_mask'][t : t + 1, :length]
            keys_values = model.fusion.project(image.tokens[n : n + 1])
            logits[n, t] = model.matching_logits(keys_values, tokens, mask, torch.tensor([0]))[0]
    return logits


# ------------------------------------------------------------------------------------------------ features
@pytest.mark.parametrize('kind', ['DualEncoder', 'ImageTextRetrieval', 'SACLPretrain'])
def test_features_are_those_of_the_test_loop(tmp_path, kind):
    inferencer, model = load(tmp_path, kind)
    batch, _, _ = encoded(model)
    samples = model.predict(batch)
    images, texts = inferencer.embed_images(arrays()), inferencer.embed_texts(captions())
    torch.testing.assert_close(images, torch.stack([sample.image_feature for sample in samples]).detach())
    torch.testing.assert_close(texts, torch.cat([sample.text_features for sample in samples]).detach())
    (images.sum() * torch.nn.Parameter(torch.ones(1))).backward()  # no tensors of inference mode


def test_features_do_not_depend_on_batches_or_on_the_form_of_a_picture(tmp_path):
    inferencer, _ = load(tmp_path, 'DualEncoder', batch_size=100)
    images, texts = inferencer.embed_images(arrays()), inferencer.embed_texts(captions())
    inferencer.batch_size = 1
    torch.testing.assert_close(inferencer.embed_images(arrays()), images)
    torch.testing.assert_close(inferencer.embed_texts(captions()), texts)
    inferencer.batch_size = 100
    paths = write(tmp_path, arrays())
    pil = [Image.fromarray(picture[..., ::-1]) for picture in arrays()]
    for pictures in (paths, [Path(path) for path in paths], pil, [Image.open(path).convert('RGBA') for path in paths]):
        assert torch.equal(inferencer.embed_images(pictures), images)
    assert torch.equal(inferencer.embed_images([pil[0], paths[1], arrays()[2]]), inferencer.embed_images(paths[:3]))


def test_a_photograph_taken_sideways_is_turned_in_every_form(tmp_path):
    picture, exif = Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 12, 3), np.uint8)), Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / 'sideways.png', exif=exif)
    by_path = LoadPicture()(dict(img_path=str(tmp_path / 'sideways.png')))['img']
    assert by_path.shape == (12, 8, 3)
    assert np.array_equal(LoadPicture()(dict(img_path=Image.open(tmp_path / 'sideways.png')))['img'], by_path)


def test_files_go_through_the_configurations_own_pipeline(tmp_path):
    random = np.random.default_rng(0)
    paths = write(tmp_path, [random.integers(0, 255, (30 + 5 * i, 50, 3), np.uint8) for i in range(4)])
    texts = ['A red star!', 'two blue circles, and a red star', 'a star', 'One green star.']
    rows = ['image,caption', *(f'{Path(path).name},"{text}"' for path, text in zip(paths, texts, strict=True))]
    (tmp_path / 'pairs.csv').write_text('\n'.join(rows) + '\n')
    dataset = dict(
        type='ImageTextPairs', ann_file=str(tmp_path / 'pairs.csv'), data_prefix=dict(img_path=str(tmp_path)),
        pipeline=[*FILES, *PIPELINE], test_mode=True,
    )  # fmt: skip
    inferencer, model = load(tmp_path, 'DualEncoder', dataset=dataset)
    del dataset['type']
    samples = model.predict(model.data_preprocessor(pseudo_collate(list(ImageTextPairs(**dataset))), False))
    expected = torch.stack([sample.image_feature for sample in samples]).detach()
    for pictures in (paths, [cv2.imread(path) for path in paths]):
        torch.testing.assert_close(inferencer.embed_images(pictures), expected)
    expected = torch.cat([sample.text_features for sample in samples]).detach()
    torch.testing.assert_close(inferencer.embed_texts(texts), expected)
    assert torch.equal(inferencer.embed_images(paths[:1]), inferencer.embed_images([Image.open(paths[0])]))


# ------------------------------------------------------------------------------------------------ search
def plain_hits(cosine_QM, second_QM, k, candidates):
    hits = []
    for cosine, second in zip(cosine_QM.tolist(), second_QM.tolist(), strict=True):
        best = sorted(range(len(cosine)), key=lambda i: -cosine[i])[:candidates]
        hits.append([(i, second[i]) for i in sorted(best, key=lambda i: -second[i])[:k]])
    return hits


def assert_hits(got, expected):
    assert [[hit.index for hit in hits] for hits in got] == [[i for i, _ in hits] for hits in expected]
    for ours, theirs in zip(got, expected, strict=True):
        assert [hit.score for hit in ours] == pytest.approx([score for _, score in theirs], abs=1e-4)


@pytest.mark.parametrize('score', ['itm', 'itm+itc', 'itm+itc/temperature'])
def test_search_reranks_each_querys_candidates(tmp_path, score):
    loop = dict(type='RerankingTestLoop', k=3, score=score)
    inferencer, model = load(tmp_path, 'ImageTextRetrieval', test_cfg=loop)
    _, image, text = encoded(model)
    cosine, matches = image.feature @ text.feature.t(), plain_logits(model)[..., 1]
    second = matches + {'itm': 0, 'itm+itc': 1, 'itm+itc/temperature': 1 / 0.07}[score] * cosine
    pictures, texts = arrays(), captions()
    assert_hits(inferencer.search(texts, pictures, k=2), plain_hits(cosine.t(), second.t(), 2, 3))
    assert_hits(inferencer.search_texts(pictures, texts, k=2), plain_hits(cosine, second, 2, 3))
    assert_hits(inferencer.search(texts, pictures, 2, candidates=5), plain_hits(cosine.t(), second.t(), 2, 5))
    assert_hits(inferencer.search_texts(pictures, texts, k=5), plain_hits(cosine, second, 5, 5))
    assert_hits(inferencer.search(texts, pictures, 2, rerank=False), plain_hits(cosine.t(), cosine.t(), 2, 99))
    assert_hits(inferencer.search_texts(pictures, texts, 99, rerank=False), plain_hits(cosine, cosine, 99, 99))


def test_of_a_gallery_with_features_only_candidates_are_opened(tmp_path):
    inferencer, _ = load(tmp_path, 'ImageTextRetrieval')
    paths, texts = write(tmp_path, arrays()), captions()
    features, text_features = inferencer.embed_images(paths), inferencer.embed_texts(texts)
    expected = inferencer.search(texts[:1], paths, k=1, candidates=2)
    by_cosine = inferencer.search(texts[:1], paths, k=2, rerank=False)
    for number in set(range(PICTURES)) - {hit.index for hit in by_cosine[0]}:
        Path(paths[number]).write_text('no picture')
    assert inferencer.search(texts[:1], paths, k=1, candidates=2, features=features) == expected
    assert inferencer.search(texts[:1], paths, k=2, rerank=False, features=features) == by_cosine
    with pytest.raises(ValueError, match="picture '.*png' cannot be read"):
        inferencer.search(texts[:1], paths)
    found = inferencer.search_texts(arrays(), texts, features=text_features)
    assert found == inferencer.search_texts(arrays(), texts)
    with pytest.raises(ValueError, match=r'must be of shape \(6, 16\), got \(5, 16\)'):
        inferencer.search(texts, paths, features=features[:5])


# ------------------------------------------------------------------------------------------------ tasks
def test_match_is_the_matching_heads_probability(tmp_path):
    inferencer, model = load(tmp_path, 'SACLPretrain')
    probabilities = plain_logits(model).softmax(dim=-1)[..., 1]
    pictures, texts = arrays(), captions()
    pairs = [(n, (5 * n + 1) % len(texts)) for n in range(PICTURES)]
    got = inferencer.match([pictures[n] for n, _ in pairs], [texts[t] for _, t in pairs])
    torch.testing.assert_close(got, torch.stack([probabilities[n, t] for n, t in pairs]))
    assert got.std() > 0.01


def test_answers_are_those_of_the_test_loop(tmp_path):
    pipeline = [TOKENIZE, dict(TOKENIZE, field='answers', to='answer_token_ids'), PIPELINE[-1]]
    options = dict(num_images=4, image_size=32, questions_per_image=2, test_mode=True)
    dataset = dict(type='ShapeWorldQuestions', **options, pipeline=pipeline)
    inferencer, model = load(tmp_path, 'VisualQuestionAnswering', batch_size=3, dataset=dataset)
    samples = [dict(sample) for sample in ShapeWorldQuestions(**options)]
    packed = list(ShapeWorldQuestions(**options, pipeline=pipeline))
    expected = model.predict(model.data_preprocessor(pseudo_collate(packed), False))
    got = inferencer.answer([s['img'] for s in samples], [s['text'][0] for s in samples], return_scores=True)
    assert [answer for answer, _ in got] == [sample.pred_answer for sample in expected]
    assert [score for _, score in got] == pytest.approx([sample.pred_score for sample in expected], abs=1e-4)
    assert len(set(got)) > 1
    paths = write(tmp_path, [s['img'] for s in samples])
    assert inferencer.answer(paths, [s['text'][0] for s in samples]) == [answer for answer, _ in got]
    with pytest.raises(ValueError, match=r'embedding needs .* DualEncoder .* is of type VisualQuestionAnswering'):
        inferencer.embed_images(paths)


@pytest.mark.parametrize('loads', [False, True])
def test_statements_about_two_pictures(tmp_path, loads):
    """Drawn pictures that are resized, and a pipeline that loads both in `ApplyToList`."""
    pipeline = [TOKENIZE, PIPELINE[-1]]
    options = dict(num_groups=2, image_size=32, test_mode=True)
    dataset = dict(type='ShapeWorldPairs', **options, pipeline=pipeline)
    if loads:
        both = dict(scatter_key='img_path', transforms=FILES[:2], collate_keys=['img'])
        dataset['pipeline'] = [dict(type='mmpretrain.ApplyToList', **both), *pipeline]
    inferencer, model = load(tmp_path, 'ImagePairReasoning', batch_size=3, dataset=dataset)
    samples = list(ShapeWorldPairs(**options))
    packed = list(ShapeWorldPairs(**options, pipeline=pipeline))
    expected = model.predict(model.data_preprocessor(pseudo_collate(packed), False))
    left, right = zip(*(sample['img'] for sample in samples), strict=True)
    statements = [sample['text'][0] for sample in samples]
    got = inferencer.is_true(write(tmp_path, left), right, statements)
    torch.testing.assert_close(got, torch.stack([sample.pred_scores[1] for sample in expected]).detach())
    assert got.std() > 0.01


# ------------------------------------------------------------------------------------------------ loading
def test_weights_come_from_the_checkpoint_alone(tmp_path):
    config, checkpoint, _ = saved(tmp_path, 'SACLPretrain')
    cfg = Config.fromfile(config)
    cfg.model.towers.text_encoder.checkpoint = cfg.model.fusion.checkpoint = str(tmp_path / 'no_bert')
    cfg.model.towers.backbone.init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'no_vit.pth'))
    cfg.model.reference_checkpoint = str(tmp_path / 'no_reference.pth')
    cfg.model.contrastive_loss.policy.alpha = 0.0
    before = cfg.pretty_text
    one = ImageTextInferencer(cfg, checkpoint, 'cpu')
    assert cfg.pretty_text == before
    # Pre-training's checkpoint has all that a dual encoder needs.
    two = ImageTextInferencer(saved(tmp_path, 'DualEncoder')[0], checkpoint, 'cpu')
    assert torch.equal(one.embed_images(arrays()), two.embed_images(arrays()))


def test_no_part_of_the_model_is_left_at_random(tmp_path):
    config, _, _ = saved(tmp_path, 'ImageTextRetrieval')
    _, checkpoint, _ = saved(tmp_path, 'DualEncoder')
    with pytest.raises(UserError, match=r'DualEncoder.pth.*missing: fusion\..* Is it of this configuration'):
        ImageTextInferencer(config, checkpoint)


@pytest.mark.parametrize(
    ('spoil', 'message'),
    [
        (lambda path: path.unlink(), 'does not exist'),
        (lambda path: path.write_bytes(b''), 'cannot be read as data'),
        (lambda path: path.write_bytes(b'no checkpoint'), 'cannot be read as data'),
        (lambda path: path.write_bytes(path.read_bytes()[:1000]), 'cannot be read as data'),
        (lambda path: torch.save(dict(state_dict=Path), path), r'cannot be read as data .*PlainCheckpointHook'),
        (lambda path: torch.save([1], path), 'holds a list, not a dict of weights'),
    ],
)
def test_bad_checkpoints(tmp_path, spoil, message):
    config, checkpoint, _ = saved(tmp_path, 'DualEncoder')
    spoil(checkpoint)
    with pytest.raises(UserError, match=message):
        ImageTextInferencer(config, checkpoint)
    with pytest.raises(UserError, match="configuration '.*nowhere.py' does not exist"):
        ImageTextInferencer(tmp_path / 'nowhere.py', checkpoint)


@pytest.mark.parametrize(
    ('dataset', 'message'),
    [
        (dict(type='CachedFeatures', ann_file='x.pt'), r'\(CachedFeatures\) has no pipeline for pictures'),
        (
            dict(WORLD, pipeline=[dict(type='LoadImageGrid', root='x'), *PIPELINE]),
            r'grids of features \(LoadImageGrid\)',
        ),
        (dict(type='ShapeWorld', num_images=6, pipeline=PIPELINE), 'set test_dataloader.dataset.image_size'),
    ],
)
def test_models_that_see_no_pictures(tmp_path, dataset, message):
    with pytest.raises(ValueError, match=message):
        load(tmp_path, 'DualEncoder', dataset=dataset)


def test_a_configuration_without_a_test_loader_is_used_as_in_validation(tmp_path):
    config, checkpoint, _ = saved(tmp_path, 'DualEncoder')
    cfg = Config.fromfile(config)
    cfg.val_dataloader = cfg.pop('test_dataloader')
    assert ImageTextInferencer(cfg, checkpoint, 'cpu').embed_texts(['a red star']).shape == (1, 16)


# ------------------------------------------------------------------------------------------------ mistakes
def test_wrong_tasks_are_named(tmp_path):
    inferencer, _ = load(tmp_path, 'DualEncoder')
    picture = arrays()[0]
    for call, message in (
        (lambda: inferencer.match([picture], ['a']), r'match\(\) needs .* ImageTextRetrieval .*is of type DualEncoder'),
        (lambda: inferencer.answer([picture], ['a']), r'answer\(\) needs .*vqa.py'),
        (lambda: inferencer.is_true([picture], [picture], ['a']), r'is_true\(\) needs .*nlvr2.py'),
        (lambda: inferencer.search(['a'], [picture], rerank=True), r're-ranking \(rerank=True\) needs'),
        (lambda: inferencer.search(['a'], [picture], k=0), 'k and candidates must be at least 1'),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    assert len(inferencer.search(['a'], [picture], k=3)[0]) == 1


def test_bad_pictures_and_texts_are_named(tmp_path):
    inferencer, _ = load(tmp_path, 'ImageTextRetrieval')
    good = arrays()[0]
    (tmp_path / 'text.png').write_text('no picture')
    for pictures, message in (
        ([], 'pictures is empty'),
        ('a.png', 'pictures must be a list of paths.* got a str'),
        (good, 'must be a list .* got a ndarray'),
        ([good, str(tmp_path / 'text.png')], r"text.png' cannot be read \(AssertionError: failed to load image"),
        (
            [good, good[..., 0]],
            r'pictures\[1\] must be a uint8 array \(H, W, 3\) in BGR, got uint8 of shape \(32, 32\)',
        ),
        ([good.astype(np.float32)], r'pictures\[0\] must be .* got float32'),
        ([good, None], r'pictures\[1\] must be a path, .* got NoneType'),
    ):
        with pytest.raises(ValueError, match=message):
            inferencer.embed_images(pictures)
    with pytest.raises(FileNotFoundError, match=r"pictures\[1\] 'nowhere.png' does not exist"):
        inferencer.embed_images([good, 'nowhere.png'])
    for texts, message in (
        ([], 'texts is empty'),
        ('a star', 'texts must be a list of texts, got a str'),
        (['a', 3], r'texts\[1\] must be a text, got 3'),
        (['a', ' '], r"texts\[1\] must be a text, got ' '"),
    ):
        with pytest.raises(ValueError, match=message):
            inferencer.embed_texts(texts)
    with pytest.raises(ValueError, match='there are 2 pictures, 1 texts'):
        inferencer.match([good, good], ['a'])
    with pytest.raises(ValueError, match='batch_size must be at least 1'):
        ImageTextInferencer('x.py', 'x.pth', batch_size=0)


def test_the_example_runs(tmp_path, monkeypatch, capsys):
    config, checkpoint, _ = saved(tmp_path, 'ImageTextRetrieval')
    names = ('configs/sacl/shape_world_retrieval.py', 'work_dirs/shape_world_retrieval/epoch_4.pth')
    for file, name in zip((config, checkpoint), names, strict=True):
        (tmp_path / name).parent.mkdir(parents=True)
        file.rename(tmp_path / name)
    for path, name in zip(write(tmp_path, arrays()[:3]), 'abc', strict=True):
        Path(path).rename(tmp_path / f'{name}.png')
    monkeypatch.chdir(tmp_path)
    exec(textwrap.dedent(sacl_mm.inference.__doc__.split('\n', 1)[1]), {})
    assert len(capsys.readouterr().out.splitlines()) == 2
