"""What every model does around a step and when weights are loaded, whoever trains it."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from gloo import run_on_processes
from mmengine.dataset import pseudo_collate
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper
from tiny import build, world

from sacl_mm.user_error import NonFiniteError, UserError

FULL = dict(
    contrastive_loss=dict(
        type='SACLContrastiveLoss',
        policy=dict(type='MomentumDistillation', weight=0.4, ramp=0.1, base_policy=dict(type='InfoNCE')),
    ),
    queue_size=12,
    momentum=dict(decay=0.9),
)


def data(start: int = 0, count: int = 4) -> dict:
    return pseudo_collate(list(world(count, start)))


def optimizer(model, **options) -> OptimWrapper:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return OptimWrapper(torch.optim.SGD(parameters, lr=0.1), **options)


def step(model, iteration, optim_wrapper, batch=None):
    model.set_progress(iteration, 10, seed=3)
    return model.train_step(data(4 * iteration) if batch is None else batch, optim_wrapper)


@pytest.fixture
def hub():
    """As a Runner fills it while it trains."""
    hub = MessageHub.get_instance('test_vision_language_model')
    hub.runtime_info.update(loop_stage='train', iter=0, max_iters=10, seed=3, checkpoints_are_data=True)
    yield hub
    hub.runtime_info.clear()


def test_teacher_queue_and_progress_need_no_hook(hub):
    model = build(**FULL).train()
    with torch.no_grad():
        model.teacher.towers.image_projection.weight.zero_()
    wrapper = optimizer(model)
    for iteration in range(4):
        hub.update_info('iter', iteration)
        model.train_step(data(4 * iteration), wrapper)
    assert model.progress == pytest.approx(3 / 9)
    assert model.queue.position == 16 % 12
    assert (model.queue.image_ids >= 0).all()
    student, teacher = (part.towers.image_projection.weight for part in (model, model.teacher))
    assert 0 < (student - teacher).norm() < 0.2 * student.norm()  # it began as the student and followed


def test_an_iteration_that_stands_still_is_said(hub):
    model = build().train()
    wrapper = optimizer(model)
    model.train_step(data(), wrapper)
    with pytest.raises(UserError, match='stands still at 0: default_hooks.runtime_info'):
        model.train_step(data(), wrapper)


def test_a_wrapper_that_passes_the_model_by_is_refused(hub):
    model = build().train()
    with pytest.raises(UserError, match=r"model_wrapper_cfg=dict\(type='sacl_mm.VisionLanguageDDP'\)"):
        model.parse_losses(dict(loss=torch.ones(())))


def test_without_a_runner_progress_has_to_be_told():
    model = build().train()
    wrapper = optimizer(model)
    with pytest.raises(UserError, match='call model.set_progress'):
        model.train_step(data(), wrapper)
    step(model, 0, wrapper)
    with pytest.raises(UserError, match='before each train_step'):
        model.train_step(data(), wrapper)


def test_random_numbers_are_a_function_of_seed_and_iteration():
    def draws(iteration, seed):
        model = build().train()
        model.set_progress(iteration, 10, seed)
        model._begin_step()
        return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002

    first = draws(4, 3)
    torch.rand(10)
    assert draws(4, 3) == first
    assert len({first, draws(5, 3), draws(4, 4)}) == 3


def test_the_teacher_waits_while_gradients_are_accumulated():
    model = build(**FULL).train()
    wrapper = optimizer(model, accumulative_counts=2)
    wrapper.initialize_count_status(model, init_counts=0, max_counts=5)
    moved = []
    for iteration in range(5):
        before = model.teacher.towers.image_projection.weight.clone()
        step(model, iteration, wrapper)
        moved.append(not torch.equal(before, model.teacher.towers.image_projection.weight))
    assert moved == [False, True, False, True, True]  # the last with what is left


@pytest.mark.parametrize('progress', [(12, 10), (9, 10), (0, 1), (5, 1)], ids=str)
def test_progress_never_leaves_0_to_1(progress):
    model = build()
    model.set_progress(*progress, seed=0)
    assert 0 <= model.progress <= 1


# ------------------------------------------------------------------------------------------------ not finite
def broken(batch: dict, value: float) -> dict:
    batch['inputs'][2] = batch['inputs'][2].float().fill_(value)
    return batch


@pytest.mark.parametrize('value', [float('nan'), float('inf')], ids=['NaN pixels at one iteration', 'infinite pixels'])
def test_a_loss_that_is_not_finite_ends_the_training_and_names_the_images(value):
    model = build(**FULL).train()
    wrapper = optimizer(model)
    step(model, 0, wrapper)
    batch = data(4)
    for number, sample in enumerate(batch['data_samples']):
        sample.set_metainfo(dict(img_path=f'image{number}.jpg'))
    before = model.queue.position.item()
    with pytest.raises(NonFiniteError, match=r'iteration 1: .*loss_itc nan.* with the images image0.jpg, image1.jpg'):
        step(model, 1, wrapper, broken(batch, value))
    assert model.queue.position == before


def test_a_learning_rate_of_1e30_ends_the_training():
    model = build().train()
    wrapper = optimizer(model)
    wrapper.optimizer.param_groups[0]['lr'] = 1e30
    step(model, 0, wrapper)
    with pytest.raises(NonFiniteError, match='iteration 1'):
        step(model, 1, wrapper)


class Scaler:
    def is_enabled(self):
        return True


def test_what_a_loss_scaler_skips_is_normal_but_not_for_ever(monkeypatch):
    monkeypatch.setattr('sacl_mm.models.finite_steps._MOST_SKIPPED', 3)
    model = build(**FULL).train()
    wrapper = optimizer(model)
    wrapper.loss_scaler = Scaler()
    wrapper.update_params = lambda loss: None  # the scaler skips
    for iteration in range(3):
        step(model, iteration, wrapper, broken(data(), float('nan')))
    assert model.queue.position == 0
    step(model, 3, wrapper)
    assert model.queue.position == 4
    for iteration in range(4, 7):
        step(model, iteration, wrapper, broken(data(), float('nan')))
    with pytest.raises(NonFiniteError, match='iteration 7'):
        step(model, 7, wrapper, broken(data(), float('nan')))


# ------------------------------------------------------------------------------------------------ loading
def test_a_resumed_training_without_its_teacher_stops():
    state = build().state_dict()
    model = build(**FULL).train()
    model.load_state_dict(state)
    with pytest.raises(UserError, match=r'at iteration 5, but its checkpoint lacks teacher\.'):
        step(model, 5, optimizer(model))


def test_a_resumed_training_with_another_queue_stops():
    model = build(**FULL | dict(queue_size=16)).train()
    model.load_state_dict(build(**FULL).state_dict())
    with pytest.raises(UserError, match=r'lacks queue\.image'):
        step(model, 5, optimizer(model))


def test_a_new_training_may_start_from_weights_without_teacher_and_queue():
    model = build(**FULL).train()
    model.load_state_dict(build(seed=1).state_dict())
    step(model, 0, optimizer(model))
    assert model.queue.position == 4


def test_a_test_refuses_parts_that_the_checkpoint_lacks():
    model = build().eval()
    state = {key: value for key, value in model.state_dict().items() if not key.startswith('matching_head.')}
    with pytest.raises(UserError, match=r'2 missing: matching_head\.'):
        model.load_state_dict(state)
    model.allowed_to_differ = ('matching_head.',)
    model.load_state_dict(state)
    model(**model.data_preprocessor(data(), False), mode='predict')


@pytest.mark.parametrize('loader', ['torch', 'torch, not strict'])
def test_loading_is_strict_whoever_loads(loader):
    model = build()
    state = dict(model.state_dict(), another=torch.zeros(2))
    with pytest.raises(UserError, match='1 unknown: another'):
        model.load_state_dict(state, strict=loader == 'torch')


def test_weights_that_are_not_finite_are_not_loaded():
    model = build()
    state = model.state_dict()
    state['multimodal_backbone.layers.0.expand.weight'] = (
        state['multimodal_backbone.layers.0.expand.weight'].clone().fill_(float('nan'))
    )
    with pytest.raises(
        NonFiniteError, match=r'NaN or infinity in 1 of .*multimodal_backbone\.layers\.0\.expand\.weight'
    ):
        model.load_state_dict(state)


def test_the_images_of_a_batch_are_named_by_path_pair_or_id():
    from sacl_mm.models.finite_steps import _images

    samples = [SimpleNamespace(get=dict(img_path=['l.png', 'r.png']).get), SimpleNamespace(get=dict(image_id=7).get)]
    assert _images(dict(data_samples=samples)) == 'l.png, r.png, id 7'


# ------------------------------------------------------------------------------------------------ several processes
def one_diverges(rank: int) -> str:
    from mmengine.registry import MODEL_WRAPPERS

    model = MODEL_WRAPPERS.build(dict(type='sacl_mm.VisionLanguageDDP', module=build(**FULL).train(), device_ids=None))
    wrapper = optimizer(model)
    for iteration in range(3):
        batch = data(8 * iteration + 4 * rank)
        for sample in batch['data_samples']:
            sample.set_metainfo(dict(img_path=f'of_process_{rank}.jpg'))
        if rank == 1 and iteration == 2:
            broken(batch, float('nan'))
        model.module.set_progress(iteration, 10, seed=3)
        try:
            model.train_step(batch, wrapper)
        except NonFiniteError as error:
            return f'{iteration} {model.module.queue.position} {error}'
    return 'went on'


def test_one_rank_meets_a_nan_and_all_stop():
    for said in run_on_processes(2, one_diverges):
        # The contrastive loss of both processes sees the image that is NaN.
        assert said.startswith('2 4 iteration 2')  # the queue holds 2 x 8 pairs modulo 12
        assert 'of_process_' in said or 'process 1' in said
