"""A sharded training computes what a plain one does, while each process keeps its part."""

import pytest
import torch
from gloo import run_on_processes
from mmengine.config import Config
from tiny import TOWERS, batch, build, model_config

from sacl_mm.engine.launch import check_sharding
from sacl_mm.engine.runner.partial_scores import fingerprint_of
from sacl_mm.models.fusion import PairedFusionEncoder
from sacl_mm.user_error import UserError

pytest.importorskip('torch', '2.7')
from sacl_mm.engine.runner.sharding import gather_weights, release_weights, shard, whole
from sacl_mm.engine.runner.sharding_runner import ShardingStrategy

PAIRS, STEPS = 8, 3  # at a time; in a training
WEIGHTS = dict(type='SimilarityRegulation', similarity_temperature=0.3)
POLICY = dict(type='MomentumDistillation', weight=0.4, ramp=0.1, base_policy=WEIGHTS)
FULL = dict(
    contrastive_loss=dict(type='SACLContrastiveLoss', policy=POLICY),
    queue_size=32,
    momentum=dict(decay=0.9, mlm_distillation=0.4),
)
REDUCED = dict(TOWERS['vision_backbone'], type='TokenReducedViT', reduction_layers=(1,), guide='similarity')
MERGING = dict(FULL, towers=dict(TOWERS, vision_backbone=dict(REDUCED, guide='both', keep_rate=0.5)))
FROZEN_AND_CHECKPOINTED = dict(
    FULL,
    towers=dict(TOWERS, vision_backbone=REDUCED, freeze_backbone=True, checkpoint_rows=2),
    multimodal_backbone=dict(model_config()['multimodal_backbone'], checkpoint_rows=3),
)


def train(model, rank: int = 0, world: int = 1, steps: int = STEPS) -> tuple[list, dict]:
    """The losses and gradients' norms of some steps, and the weights after them."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, fused=True)
    model.train()
    model.start_teacher()
    curve = []
    for step in range(steps):
        model.set_progress(step, steps, seed=0)
        losses = model(mode='loss', **batch(model, PAIRS // world, step * PAIRS + rank * PAIRS // world))
        loss, logged = model.parse_losses(losses)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm=1.0)
        curve.append((float(logged['loss']), float(norm)))
        optimizer.step()
        optimizer.zero_grad()
        model.after_step()
    return curve, {name: whole(value).clone() for name, value in model.state_dict().items()}


def train_sharded(rank: int, changes: dict) -> tuple[int, float, list, dict]:
    model = build(**changes)
    layers = shard(model, 'cpu')
    own = sum(parameter.to_local().numel() for parameter in model.parameters() if parameter.ndim)
    return layers, own / sum(parameter.numel() for parameter in model.parameters()), *train(model, rank, 2)


@pytest.mark.parametrize(
    ('changes', 'layers'),
    # Two layers each of image, text and fusion encoder, and of the teacher's; a layer that reduces tokens is called in parts,
    # and one that reads merged ones.
    [(FULL, 12), (FROZEN_AND_CHECKPOINTED, 8), (MERGING, 8)],
)
def test_two_sharded_processes_train_as_one_plain_one(changes, layers):
    curve, weights = train(build(**changes))
    for found, share, sharded_curve, sharded_weights in run_on_processes(2, train_sharded, changes):
        assert found == layers
        assert share == pytest.approx(0.5, abs=0.01)
        for one, two in zip(curve, sharded_curve, strict=True):
            assert two == pytest.approx(one, rel=1e-4)
        assert list(sharded_weights) == list(weights)
        for name, value in weights.items():
            torch.testing.assert_close(sharded_weights[name], value, rtol=1e-3, atol=1e-3, msg=name)


def evaluate(rank: int) -> tuple[int, list]:
    model = build(**FULL)
    shard(model, 'cpu')
    train(model, rank, 2, steps=1)
    gather_weights(model)
    fingerprint_of(model.towers)  # as the re-ranking loop does
    with torch.no_grad():
        for _ in range(rank + 1):  # not as often on each process, and past the model's own forward pass
            image, text = model.extract_feat(samples := batch(model))
            logits = model.matching_logits(
                model.multimodal_backbone.project(image.tokens), text.tokens, samples['text_mask']
            )
    release_weights(model)
    return len(logits), train(model, rank, 2, steps=1)[0]


def test_processes_evaluate_at_their_own_pace_and_train_on():
    (count, curve), (_, other) = run_on_processes(2, evaluate)
    assert count == PAIRS
    assert curve == other


def read_pairs(rank: int) -> tuple[int, torch.Tensor, torch.Tensor]:
    outputs = []
    for sharded in (False, True):
        torch.manual_seed(0)
        encoder = PairedFusionEncoder(width=32, image_width=32, num_layers=2, num_heads=2, dropout=0.0)
        layers = shard(encoder, 'cpu') if sharded else 0
        if sharded:
            gather_weights(encoder)
        text, images, mask = torch.randn(2, 5, 32), torch.randn(4, 6, 32), torch.ones(2, 5, dtype=torch.bool)
        outputs.append(encoder(text, mask, encoder.project(images), torch.tensor([[0, 2], [1, 3]])))
    return layers, *(output.detach() for output in outputs)


def test_layers_that_share_weights_are_not_taken_apart():
    for layers, plain, sharded in run_on_processes(2, read_pairs):
        assert layers == 0
        torch.testing.assert_close(sharded, plain)


def prepared(folder: str, image_size: int = 32) -> ShardingStrategy:
    strategy = ShardingStrategy(
        work_dir=folder,
        env_kwargs=dict(launcher='pytorch', randomness=dict(seed=0)),
        log_kwargs=dict(log_level='ERROR'),
    )
    towers = dict(TOWERS, vision_backbone=dict(TOWERS['vision_backbone'], img_size=image_size))
    optimizer = dict(type='AdamW', lr=1e-3, fused=True)
    strategy.prepare(build(**FULL, towers=towers), optim_wrapper=dict(type='OptimWrapper', optimizer=optimizer))
    return strategy


def advance(strategy: ShardingStrategy, rank: int, step: int) -> None:
    model = strategy.model
    model.set_progress(step, STEPS, seed=0)
    losses = model(mode='loss', **batch(model, PAIRS // 2, step * PAIRS + rank * PAIRS // 2))
    strategy.optim_wrapper.update_params(model.parse_losses(losses)[0])
    model.after_step()


def whole_weights(strategy: ShardingStrategy) -> dict:
    return {name: whole(value).clone() for name, value in strategy.model.state_dict().items()}


def save_and_load(rank: int, folder: str) -> list[dict]:
    """The weights of a training, of one that is resumed, and of a model for larger images that starts from them."""
    strategy, path = prepared(folder), f'{folder}/checkpoint.pth'
    advance(strategy, rank, 0)
    strategy.save_checkpoint(path, extra_ckpt=dict(meta=dict(iter=1)))
    torch.distributed.barrier()
    advance(strategy, rank, 1)
    resumed, larger = prepared(folder), prepared(folder, image_size=48)
    resumed.resume(path)
    advance(resumed, rank, 1)
    larger.load_checkpoint(path)
    return [whole_weights(each) for each in (strategy, resumed, larger)]


def test_a_checkpoint_is_whole_and_goes_on_bit_for_bit(tmp_path):
    (uninterrupted, resumed, larger), _ = run_on_processes(2, save_and_load, str(tmp_path))
    assert all(torch.equal(value, resumed[name]) for name, value in uninterrupted.items())
    saved = torch.load(tmp_path / 'checkpoint.pth', weights_only=True)
    plain = build(**FULL, towers=dict(TOWERS, vision_backbone=dict(TOWERS['vision_backbone'], img_size=48)))
    plain.load_state_dict(saved['state_dict'])
    assert larger['towers.vision_backbone.pos_embed'].shape[1] == 37  # resized, as without sharding
    assert all(torch.equal(value, larger[name]) for name, value in plain.state_dict().items())


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(shard=2), 'True or False'),
        (dict(launcher='none'), 'tools/dist_train.sh'),
        (dict(runner_type='FlexibleRunner'), 'leave runner_type out'),
        (dict(model_wrapper_cfg=dict(type='MMDistributedDataParallel')), 'leave model_wrapper_cfg out'),
    ],
)
def test_what_cannot_be_sharded_stops_at_once(options, message):
    with pytest.raises(UserError, match=message):
        check_sharding(Config(dict(shard=True, launcher='pytorch') | options))
