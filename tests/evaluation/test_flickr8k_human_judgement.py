import os
from math import sqrt

import numpy as np
import pytest
import torch
from gloo import run_on_processes
from mmengine.structures import BaseDataElement

from sacl_mm.evaluation import Flickr8kHumanJudgement
from sacl_mm.registry import METRICS

IMAGES, CAPTIONS = 9, 5


def name(image):
    return f'{1000 + image}_{image:010x}.jpg'


def samples():
    """Images with a caption each that reads like one of the next image."""
    generator = torch.Generator().manual_seed(0)
    rows = []
    for image in range(IMAGES):
        texts = [f'caption {number} of {image} .' for number in range(CAPTIONS)]
        texts[4] = 'A dog runs .' if image in (2, 3) else texts[4]
        sample = BaseDataElement(metainfo=dict(img_path=f'/some/folder/{name(image)}', text=texts))
        sample.pred_image_feature = 3 * torch.randn(6, generator=generator)
        sample.pred_text_features = torch.randn(CAPTIONS, 6, generator=generator)
        rows.append(sample.to_dict())
    return rows


def scores(rows):
    image = torch.stack([row['pred_image_feature'] for row in rows]).double()
    text = torch.stack([row['pred_text_features'] for row in rows]).double()
    score = torch.einsum('bd,pkd->bpk', image, text)
    return (score / image.norm(dim=-1)[:, None, None] / text.norm(dim=-1)).numpy()


def pairs():
    """(image, caption's image, number); (2, 3, 4) reads like a caption of image 2; the last two are unknown here."""
    rng = np.random.default_rng(0)
    drawn = {tuple(int(n) for n in rng.integers((IMAGES, IMAGES, CAPTIONS))) for _ in range(80)}
    return [*sorted(drawn | {(0, 0, 1), (2, 3, 4)}), (0, 77, 0), (77, 0, 0)]


def expert_rows():
    rng = np.random.default_rng(1)
    return [(pair, rng.integers(1, 5, size=3).tolist()) for pair in pairs()]


def crowd_rows():
    rng = np.random.default_rng(2)
    return [(pair, (int(yes), 4 - int(yes))) for pair in pairs() for yes in [rng.integers(5)]]


@pytest.fixture
def files(tmp_path):
    def write(file, rows, fields):
        lines = (f'{name(i)}\t{name(p)}#{k}\t{fields(values)}\n' for (i, p, k), values in rows)
        (tmp_path / file).write_text(''.join(lines))
        return str(tmp_path / file)

    return dict(
        expert_file=write('ExpertAnnotations.txt', expert_rows(), lambda r: '\t'.join(map(str, r))),
        crowdflower_file=write(
            'CrowdFlowerAnnotations.txt', crowd_rows(), lambda v: f'{v[0] / sum(v):.12g}\t{v[0]}\t{v[1]}'
        ),
    )


def evaluate(metric, rows):
    metric.process({}, rows)
    return metric.evaluate(len(rows))


def concordance(x, y):
    """Sum over all pairs of observations of sign(x_i - x_j) sign(y_i - y_j), and the pairs that tie in x, and in y."""
    total = tied_x = tied_y = 0
    for i in range(len(x)):
        for j in range(i):
            total += np.sign(x[i] - x[j]) * np.sign(y[i] - y[j])
            tied_x += x[i] == x[j]
            tied_y += y[i] == y[j]
    return total, tied_x, tied_y


def tau_b(x, y):
    total, tied_x, tied_y = concordance(x, y)
    count = len(x) * (len(x) - 1) / 2
    return total / sqrt((count - tied_x) * (count - tied_y))


def tau_c(x, y):
    least = min(len(set(x)), len(set(y)))
    return 2 * concordance(x, y)[0] / (len(x) ** 2 * (least - 1) / least)


def expected_false_negatives(score, confirmed, rejected):
    table = score.reshape(IMAGES, -1)
    text, image = [], []
    for i, p, k in confirmed:
        text.append(np.mean(np.delete(table[i], p * CAPTIONS + k) < score[i, p, k]))
        image.append(np.mean(np.delete(score[:, p, k], i) < score[i, p, k]))
    return {
        'AUC': 100 * np.mean([score[a] > score[b] for a in confirmed for b in rejected]),
        'TR/percentile': 100 * np.mean(text),
        'IR/percentile': 100 * np.mean(image),
    }


def expected():
    rows = samples()
    score = scores(rows)
    seen = [pair for pair in pairs() if 77 not in pair]
    foreign = [pair for pair in seen if pair[0] != pair[1] and pair not in ((2, 3, 4), (3, 2, 4))]
    assert len(foreign) < len(seen) - 1
    expert, crowd = dict(expert_rows()), {pair: yes / (yes + no) for pair, (yes, no) in crowd_rows()}

    values = {}
    flat = [(score[pair], rating) for pair in foreign for rating in expert[pair]]
    values['flickr8k/expert/tau_c'] = 100 * tau_c(*zip(*flat, strict=True))
    values['flickr8k/crowdflower/tau_b'] = 100 * tau_b([score[p] for p in seen], [crowd[p] for p in seen])
    for source, confirmed in (
        ('expert', [pair for pair in foreign if sum(expert[pair]) >= 9]),
        ('crowdflower', [pair for pair in foreign if crowd[pair] > 0.5]),
    ):
        assert confirmed
        rejected = [pair for pair in foreign if pair not in confirmed]
        measures = expected_false_negatives(score, confirmed, rejected)
        values |= {f'flickr8k/{source}/{key}': value for key, value in measures.items()}
    return values


def test_equals_plain_loops(files, monkeypatch):
    messages = []
    monkeypatch.setattr('mmengine.logging.MMLogger.info', lambda self, message: messages.append(message))
    metrics = evaluate(METRICS.build(dict(type='Flickr8kHumanJudgement', **files)), samples())
    assert metrics == pytest.approx(expected())
    (table,) = messages
    total = len(pairs())
    assert 'on 9 images x 45 texts; protocol: dual encoder, cosine' in table
    assert table.count(f'({total - 2} of {total} judged pairs are of images in this set)') == 2


def test_one_file_is_enough(files):
    metrics = evaluate(Flickr8kHumanJudgement(crowdflower_file=files['crowdflower_file']), samples())
    assert metrics == pytest.approx({key: value for key, value in expected().items() if '/crowdflower/' in key})


def test_without_texts_captions_belong_by_name_only(files):
    """The pair that only reads like an own caption counts then: three more ratings."""
    rows = samples()
    for row in rows:
        del row['text']
    metrics = evaluate(Flickr8kHumanJudgement(**files), rows)
    score, expert = scores(rows), dict(expert_rows())
    flat = [(score[p], rating) for p in pairs() if 77 not in p and p[0] != p[1] for rating in expert[p]]
    assert metrics['flickr8k/expert/tau_c'] == pytest.approx(100 * tau_c(*zip(*flat, strict=True)))
    assert metrics['flickr8k/expert/tau_c'] != pytest.approx(expected()['flickr8k/expert/tau_c'])


def test_a_confirmed_pair_ranks_behind_the_annotated_one(tmp_path):
    eye = torch.eye(4)
    rows = [
        dict(
            img_path=f'{k}.jpg',
            text=[f'text {k}'],
            pred_image_feature=eye[k],
            pred_text_features=eye[k : k + 1] + 0.2 * eye[:1],
        )
        for k in range(4)
    ]
    file = tmp_path / 'expert.txt'
    file.write_text('0.jpg\t1.jpg#0\t4\t4\t3\n1.jpg\t2.jpg#0\t1\t1\t1\n')
    metrics = evaluate(Flickr8kHumanJudgement(expert_file=str(file)), rows)
    assert metrics['flickr8k/expert/AUC'] == 100
    # of three other texts one, the own, scores higher, two tie
    assert metrics['flickr8k/expert/TR/percentile'] == pytest.approx(100 / 3)
    assert metrics['flickr8k/expert/IR/percentile'] == pytest.approx(100 * 2 / 3)


@pytest.mark.filterwarnings('ignore:.*too small')
def test_what_is_not_defined_is_nan(tmp_path):
    file = tmp_path / 'expert.txt'
    file.write_text(f'{name(0)}\t{name(0)}#0\t4\t4\t4\n')
    metrics = evaluate(Flickr8kHumanJudgement(expert_file=str(file)), samples())
    assert len(metrics) == 4
    assert np.isnan(list(metrics.values())).all()


GOOD = f'{name(0)}\t{name(1)}#2\t'


@pytest.mark.parametrize(
    'line', [GOOD + '1\t2', GOOD + '1\t2\t5', GOOD + '1\t2\t3\t4', f'{name(0)}\t{name(1)}\t1\t2\t3', 'text', '']
)
def test_malformed_line_of_experts(tmp_path, line):
    file = tmp_path / 'expert.txt'
    file.write_text(f'{GOOD}1\t2\t3\n{line}\n{GOOD}1\t2\t3\n')
    with pytest.raises(ValueError, match=r'expert.txt:2: expected.* three ratings of 1 to 4'):
        Flickr8kHumanJudgement(expert_file=str(file))


@pytest.mark.parametrize(
    'line', [GOOD + '1', GOOD + '1.5\t3\t0', GOOD + '0\t0\tno', GOOD + '0\t0\t3\t1', GOOD + 'nan\t0\t3']
)
def test_malformed_line_of_crowdflower(tmp_path, line):
    file = tmp_path / 'crowd.txt'
    file.write_text(f'{GOOD}0.333333333333\t1\t2\n{line}\n')
    with pytest.raises(ValueError, match=r'crowd.txt:2: expected.* a fraction of 0 to 1 and two counts'):
        Flickr8kHumanJudgement(crowdflower_file=str(file))


def test_bad_input(tmp_path, files):
    with pytest.raises(ValueError, match='expert_file or crowdflower_file'):
        Flickr8kHumanJudgement()
    with pytest.raises(FileNotFoundError, match='nowhere.txt does not exist'):
        Flickr8kHumanJudgement(expert_file='nowhere.txt')
    empty = tmp_path / 'empty.txt'
    empty.touch()
    with pytest.raises(ValueError, match='empty.txt holds no judgement'):
        Flickr8kHumanJudgement(expert_file=str(empty))
    with pytest.raises(ValueError, match=f'{name(0)} comes twice'):
        evaluate(Flickr8kHumanJudgement(**files), [*samples(), samples()[0]])
    others = [dict(row, img_path=f'other{number}.jpg') for number, row in enumerate(samples())]
    with pytest.raises(ValueError, match="none of the .* expert judgements .* belong to Flickr8k's test images"):
        evaluate(Flickr8kHumanJudgement(**files), others)


def _one_process(rank, folder, files):
    os.chdir(folder)
    rows, metric = samples(), Flickr8kHumanJudgement(**files)
    for index in range(rank, len(rows) + 1, 2):
        metric.process({}, [rows[index % len(rows)]])
    return metric.evaluate(len(rows))


def test_two_processes_count_each_of_nine_images_once(files, tmp_path):
    assert run_on_processes(2, _one_process, str(tmp_path), files) == [pytest.approx(expected())] * 2
