import pytest
import torch
from gloo import run_on_processes
from tiny import batch, build, model_config, world

from sacl_mm.functional.distributed import world_size
from sacl_mm.registry import MODELS

FULL = dict(
    contrastive_loss=dict(
        type='SACLContrastiveLoss',
        policy=dict(
            type='MomentumDistillation',
            weight=0.4,
            ramp=0.5,
            base_policy=dict(type='SimilarityRegulation', alpha=(1.0, 0.0)),
        ),
    ),
    queue_size=32,
    momentum=dict(decay=0.9, mlm_distillation=0.4, ramp=0.5),
    reference_checkpoint='not read in these tests',
)


def total(model, data):
    loss, logged = model.parse_losses(model.loss(data))
    return loss, logged


@pytest.mark.parametrize('changes', [{}, FULL], ids=['plain', 'full'])
def test_every_trainable_parameter_learns_and_no_other(changes):
    model = build(**changes)
    model.set_progress(3, 10, seed=0)
    loss, logged = total(model, batch(model))
    loss.backward()
    assert {'loss', 'loss_itc', 'loss_itm', 'loss_mlm', 'temperature'} <= set(logged)
    torch.testing.assert_close(logged['loss'], logged['loss_itc'] + logged['loss_itm'] + logged['loss_mlm'])
    for name, parameter in model.named_parameters():
        frozen = name.startswith(('teacher.', 'reference.'))
        assert parameter.requires_grad != frozen, name
        assert (parameter.grad is None) == frozen, name


def test_the_loss_is_a_function_of_seed_iteration_and_weights():
    model = build()
    data = batch(model)
    values = []
    for seed, iteration in ((0, 3), (0, 3), (1, 3), (0, 4)):
        torch.manual_seed(len(values))  # the generator's state must not matter
        model.set_progress(iteration, 10, seed)
        values.append(total(model, data)[0].item())
    assert values[0] == values[1]
    assert values[0] not in values[2:]


def test_diagnostics_come_at_their_interval():
    model = build(diagnostics_interval=5)
    data = batch(model)
    for iteration, measured in ((0, True), (1, False), (5, True)):
        model.set_progress(iteration, 10, 0)
        assert ('mi_negative_target' in model.loss(data)) == measured


def drawn(model, image, text, data, evidence=None):
    return model.hard_negatives(
        image.feature,
        text.feature,
        data['image_ids'],
        data['text_ids'],
        evidence or {},
        model.contrastive_loss.temperature,
        model.progress,
        model.step_seed,
    )


def hard_negatives(model, image, text, data, seed):
    model.set_progress(seed, 100, 0)
    return drawn(model, image, text, data)


def test_hard_negatives_are_of_other_images():
    model = build()
    data = batch(model, count=6)
    ids = data['image_ids']
    ids[3] = ids[1]  # two pairs of one image: no negatives of each other
    image, text = model.extract_feat(data)
    for seed in range(20):
        found = hard_negatives(model, image, text, data, seed)
        assert found.has_text_B.all()
        assert found.has_image_B.all()
        assert (ids[found.text_B] != ids).all()
        assert (ids[found.image_B] != ids).all()


def test_hard_negatives_follow_their_own_temperature():
    chosen = {}
    for temperature in (None, 1e-3, 1e3):
        model = build(negative_temperature=temperature)
        data = batch(model, count=6)
        image, text = model.extract_feat(data)
        chosen[temperature] = [hard_negatives(model, image, text, data, seed).image_B.tolist() for seed in range(8)]
    cosine = (text.feature @ image.feature.t()).fill_diagonal_(-2)
    assert all(drawn == cosine.argmax(dim=1).tolist() for drawn in chosen[1e-3])
    assert len({tuple(drawn) for drawn in chosen[1e3]}) > 6
    assert chosen[None] != chosen[1e-3]


def negative_temperature(model):
    return model.hard_negatives.temperature(model.contrastive_loss.temperature, model.progress)


def test_hard_negatives_become_harder_over_the_training():
    model = build(negative_temperature=(1.0, 0.04))
    for iteration, temperature in ((0, 1.0), (5, 0.2), (10, 0.04)):
        model.set_progress(iteration, 11, 0)
        assert negative_temperature(model) == pytest.approx(temperature)
    model = build(negative_temperature=0.15)
    model.set_progress(7, 11, 0)
    assert negative_temperature(model) == pytest.approx(0.15)
    for wrong in (0, (1.0,), (1.0, -1.0), 'hard'):
        with pytest.raises(ValueError, match=r'negative_temperature must be a number in \(0, inf\)'):
            build(negative_temperature=wrong)


def test_a_batch_of_one_image_has_no_matching_negatives():
    model = build()
    data = batch(model, count=3)
    data['image_ids'][:] = 7
    loss, _ = total(model, data)
    loss.backward()
    assert loss.isfinite()
    found = drawn(model, *model.extract_feat(data), data)
    assert found.has_text_B.tolist() == found.has_image_B.tolist() == [0.0] * 3


def test_matching_equals_fusing_each_row_alone():
    model = build().eval()
    data = batch(model, count=4)
    image, text = model.extract_feat(data)
    negative_text_B, negative_image_B, *_ = drawn(model, image, text, data)
    text_R = torch.cat([torch.arange(4), negative_text_B, torch.arange(4)])
    image_R = torch.cat([torch.arange(4), torch.arange(4), negative_image_B])
    each = []
    for r, (t, i) in enumerate(zip(text_R, image_R, strict=True)):
        length = int(data['text_mask'][t].sum())
        keys_values = model.multimodal_backbone.project(image.tokens[i][None])
        fused = model.multimodal_backbone(
            text.tokens[t : t + 1, :length], data['text_mask'][t : t + 1, :length], keys_values
        )
        logits = model.matching_head(fused)[0]
        each.append(logits.logsumexp(0) - logits[int(r < 4)])
    torch.testing.assert_close(model.loss(data)['loss_itm'], torch.stack(each).mean(), rtol=1e-4, atol=1e-5)


def test_teacher_and_queue_change_in_after_step_only():
    model = build(**FULL)
    data = batch(model)
    model.start_teacher()
    before = {k: v.clone() for k, v in model.state_dict().items() if k.startswith(('teacher', 'queue', 'reference'))}
    total(model, data)[0].backward()
    with torch.no_grad():
        for parameter in model.towers.parameters():
            parameter += 0.01
    model.eval()
    model.predict(data)
    model.train()
    assert all(torch.equal(model.state_dict()[key], value) for key, value in before.items())
    model.after_step(weights_moved=False)
    waiting = {key: value.clone() for key, value in model.state_dict().items() if key.startswith('teacher')}
    assert all(torch.equal(value, before[key]) for key, value in waiting.items())
    model.after_step()
    after = model.state_dict()
    changed = {key for key, value in before.items() if not torch.equal(after[key], value)}
    assert not any(key.startswith('reference') for key in changed)
    assert {'queue.image', 'queue.reference_text', 'queue.image_ids', 'queue.position'} <= changed
    assert any(key.startswith('teacher.towers') for key in changed)
    assert after['queue.image_ids'][:8].tolist() == data['image_ids'].tolist()
    model.after_step()
    assert torch.equal(model.state_dict()['queue.position'], after['queue.position'])  # a batch enters once


def test_prediction_encodes_each_image_and_its_texts():
    model = build().eval()
    data = batch(model, count=3, captions=4)
    samples = model(mode='predict', **data)
    assert [sample.pred_text_features.shape for sample in samples] == [(4, 16)] * 3
    alone = model(mode='predict', **model.data_preprocessor(_collate(world(3, captions=4)[1])))
    torch.testing.assert_close(alone[0].pred_image_feature, samples[1].pred_image_feature, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(alone[0].pred_text_features, samples[1].pred_text_features, rtol=1e-4, atol=1e-5)


def _collate(sample):
    return dict(inputs=[sample['inputs']], data_samples=[sample['data_samples']])


def test_several_captions_in_training_are_an_error_that_names_the_fix():
    model = build()
    with pytest.raises(ValueError, match='SampleCaption'):
        model.loss(batch(model, captions=2))


def test_a_foreign_vocabulary_is_an_error():
    model = build()
    sample = world(1)[0]
    sample['data_samples'].token_ids[0][1] = 89
    with pytest.raises(ValueError, match='token id 89 is outside the vocabulary of 89'):
        model.data_preprocessor(_collate(sample))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(queue_size=8), 'queue needs the momentum teacher'),
        (FULL | dict(momentum=None, queue_size=0), 'contrastive_loss.policy reads what the momentum teacher says'),
        (FULL | dict(reference_checkpoint=None), "reads the evidence 'reference'"),
    ],
)
def test_settings_that_do_not_go_together_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        build(**changes)


def test_a_teacher_needs_no_options():
    for options in (dict(), dict(mlm_distillation=0.4)):
        assert build(momentum=options).teacher.decay == 0.995


# ------------------------------------------------------------------------------------------------ two processes
KNOWN = dict(type='OracleRemoval', relevance=dict(type='ShapeWorldRelevance'))


def steps(rows, per_step=8):
    """Three steps of the full model on the pairs `rows` of each batch; losses and the weights at the end."""
    model = build(**FULL, negative_policy=KNOWN)
    model.start_teacher()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.05)
    dataset, losses = world(3 * per_step), []
    for step in range(3):
        samples = [dataset[step * per_step + i] for i in rows]
        data = model.data_preprocessor(
            dict(inputs=[s['inputs'] for s in samples], data_samples=[s['data_samples'] for s in samples])
        )
        model.set_progress(step, 3, seed=0)
        loss, logged = total(model, data)
        optimizer.zero_grad()
        loss.backward()
        for parameter in model.parameters():
            if parameter.grad is not None and world_size() > 1:
                torch.distributed.all_reduce(parameter.grad)
                parameter.grad /= world_size()
        optimizer.step()
        model.after_step()
        losses.append({name: value.item() for name, value in logged.items() if name.startswith('loss')})
    state = {name: value for name, value in model.state_dict().items() if not name.startswith(('queue', 'reference'))}
    return losses, {name: value.numpy() for name, value in state.items()}, sorted(model.queue.image_ids.tolist())


def steps_on_rank(rank):
    return steps(range(8)[rank::2])


def test_two_processes_train_as_one():
    one_losses, one_state, one_queue = steps(range(8))
    for losses, state, queue in run_on_processes(2, steps_on_rank):
        assert queue == one_queue
        for mine, expected in zip(losses, one_losses, strict=True):
            assert mine == pytest.approx(expected, rel=1e-4)
        for name, value in one_state.items():
            torch.testing.assert_close(torch.from_numpy(state[name]), torch.from_numpy(value), rtol=1e-3, atol=1e-4)


def test_the_dual_encoder_takes_several_texts_per_image():
    config = model_config()
    shared = {key: config[key] for key in ('data_preprocessor', 'towers', 'contrastive_loss')}
    torch.manual_seed(0)
    model = MODELS.build(dict(type='DualEncoder', **shared))
    data = batch(model, count=4, captions=3)
    image, text = model.extract_feat(data)
    rows = torch.arange(4).repeat_interleave(3)
    expected = model.contrastive_loss(image.feature[rows], text.feature, data['image_ids'][rows])
    torch.testing.assert_close(model.loss(data)['loss_itc'], expected)


def test_the_dual_encoder_is_the_contrastive_part():
    config = model_config()
    shared = {key: config[key] for key in ('data_preprocessor', 'towers', 'contrastive_loss')}
    torch.manual_seed(0)
    model = MODELS.build(dict(type='DualEncoder', **shared))
    full = build()
    model.load_state_dict(full.state_dict(), strict=False)
    data = batch(full)
    torch.testing.assert_close(model.loss(data)['loss_itc'], full.loss(data)['loss_itc'])
    with pytest.raises(ValueError, match="'loss', 'predict' or 'tensor'"):
        model(mode='train', **data)
    image, text = model(mode='tensor', **data)
    assert image.feature.shape == text.feature.shape == (8, 16)
