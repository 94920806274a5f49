"""What the study logs of false and of true negatives."""

from types import SimpleNamespace

import information
import pytest
from mmengine.dataset import pseudo_collate
from mmengine.logging import MessageHub
from tiny import build, world

from sacl_mm.datasets.shape_world import ShapeWorldRelevance


def test_information_of_false_and_true_negatives_equals_a_loop():
    model, data = build(), pseudo_collate(list(world(12)))
    hub = MessageHub('information of negatives')
    runner = SimpleNamespace(model=model, message_hub=hub, iter=3)
    hook = information.NegativeInformationHook(dict(type='ShapeWorldRelevance'), interval=4)
    hook.after_train_iter(runner, 0, data)
    batch = model.data_preprocessor(data)
    image, text = model.extract_feat(batch)
    z = (image.feature @ text.feature.t() / model.contrastive_loss.temperature).detach()
    ids = batch['image_ids'].numpy()
    matches = ShapeWorldRelevance()(ids, batch['text_ids'].numpy())
    found = {True: [], False: []}
    for scores, related in ((z, matches), (z.t(), matches.T)):
        sums = {True: [], False: []}
        for i in range(12):
            for j in range(12):
                if i != j:
                    sums[bool(related[i, j])].append((scores[i, j] - scores[i].exp().mean().log()).item())
        for kind, values in sums.items():
            found[kind].append(sum(values) / len(values))
    assert matches.sum() > 12
    for kind, name in ((True, 'false'), (False, 'true')):
        logged = hub.get_scalar(f'train/mi_{name}_negative').current()
        assert logged == pytest.approx(sum(found[kind]) / 2, abs=1e-4)
    runner.iter = 4
    hook.after_train_iter(runner, 0, data)
    assert len(hub.get_scalar('train/mi_true_negative').data[0]) == 1  # only every fourth iteration
