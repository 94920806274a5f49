"""What the explorer lists is what plain loops over all pairs find."""

import base64
import csv
import io
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from command_line import in_process
from mmengine.config import Config
from own_files import write_config, write_own_data
from report_examples import config, save_untrained

from sacl_mm.datasets.own_data import read_own_data
from sacl_mm.inference.model_folder import config_of
from sacl_mm.report.explore import Explorer, embed_own, suspects, suspects_csv, worst_errors, worst_image_errors
from sacl_mm.report.gallery import Mark
from sacl_mm.report.provenance import checkpoint_of
from sacl_mm.report.retrieval import Thumbnail, embed
from sacl_mm.user_error import UserError


class Images:
    """Stands for `ValidationImages`: three images with two captions each."""

    def __init__(self) -> None:
        self.total, self.paths, self.image_ids_N = 3, ['a.jpg', 'b.jpg', '<c>.jpg'], np.array([1, 2, 3])
        self.captions = ['one', 'two', 'three', 'four', '=five, "so"', '<script>six</script>']
        self.owner_T = np.array([0, 0, 1, 1, 2, 2])
        self.own_NT = np.arange(3)[:, None] == self.owner_T
        self.knows_truth, self.relevant_NT = True, self.own_NT.copy()
        self.relevant_NT[0, 4] = True

    def __len__(self) -> int:
        return 3

    def thumbnail(self, image: int, side: int = 160) -> Thumbnail:
        return Thumbnail(None, self.paths[image])

    def satisfied_share(self, image: int, text: int) -> float:
        return 0.0


@pytest.fixture
def run():
    cosines = torch.tensor(
        [[0.9, 0.2, 0.1, 0.0, 0.8, 0.3], [0.5, 0.1, 0.6, 0.7, 0.4, 0.2], [0.3, 0.0, 0.2, 0.1, 0.1, 0.6]]
    )
    return SimpleNamespace(
        images=Images(), image_NE=torch.eye(3), text_TE=cosines.t().contiguous(), loss=None, evidence={}
    )


def test_suspects_beat_an_own_caption_and_come_once_for_an_image_and_a_caption(run):
    found = suspects(run)
    # Image 0's worst own caption has 0.2: 4 (0.8) and 5 (0.3) beat it. Image 2's has 0.1: 0 (0.3) and 2 (0.2)
    # do. Of image 1 none.
    assert [(one.image, one.text, one.owner, one.own, one.is_true) for one in found] == [
        (0, 4, 2, 1, True), (2, 0, 0, 4, False),
    ]  # fmt: skip
    assert len(suspects(run, most=1)) == 1
    run.images.knows_truth = False
    assert suspects(run)[0].is_true is None


def test_worst_errors_are_the_captions_whose_image_comes_last(run):
    found = worst_errors(run)
    # Caption 4, of image 2, fits image 0 (0.8) and image 1 (0.4) better; caption 2, of image 1, is first, and so on.
    assert [(one.text, one.image, one.rank, one.first, one.mark) for one in found] == [(4, 2, 3, 0, Mark.UNANNOTATED)]


def test_worst_errors_of_images(run):
    found = worst_image_errors(run)
    # Image 0 finds its caption 0 (0.9) first, image 1 its caption 3 (0.7), image 2 its caption 5 (0.6).
    assert found == []
    run.text_TE[5, 2] = 0.25  # caption 0 (0.3), which is image 0's, then comes first
    assert [(one.text, one.image, one.rank, one.first, one.mark) for one in worst_image_errors(run)] == [
        (5, 2, 2, 0, Mark.FALSE)
    ]
    assert 'its own comes 2. of 6' in Explorer('model', run).page()


def test_the_table_is_read_back_as_it_was(run):
    rows = list(csv.reader(io.StringIO(suspects_csv(run, suspects(run)))))
    assert rows[0] == ['image', 'caption', 'caption_of', 'cosine', 'own_caption', 'is_true']
    assert rows[1] == ['a.jpg', '=five, "so"', '<c>.jpg', '0.8000', 'two', '1']
    page = Explorer('model', run).page()
    inside = base64.b64decode(re.search('data:text/csv;charset=utf-8;base64,([^"]+)', page)[1]).decode()
    assert inside == suspects_csv(run, suspects(run))
    assert 'href="/suspects.csv"' in Explorer('model', run, with_search=True).page()


def test_a_caption_with_an_images_own_words_is_no_suspect(run):
    run.images.captions[4] = ' ONE'
    assert [(one.image, one.text) for one in suspects(run)] == [(0, 5), (2, 2)]


def test_the_page_escapes_what_comes_from_files(run):
    page = Explorer('<b>model</b>', run).page()
    assert '<script>' not in page
    assert '<b>model' not in page
    assert '1 of these 2 are true' in page
    assert 'type="search"' not in page  # that is for the served one


def test_own_data_in_place_of_the_test_data_without_what_is_broken(tmp_path):
    table = write_own_data(tmp_path, 12)
    with table.open('a', encoding='utf-8') as file:
        file.write('bad.jpg;"a dark image"\n')
    (tmp_path / 'bad.jpg').write_bytes(b'no image')
    cfg = Config.fromfile(write_config(tmp_path))
    cfg.test_dataloader.dataset.update(split='test', format='karpathy', split_file='elsewhere.txt')
    save_untrained(tmp_path / 'run', cfg)
    data = read_own_data(str(table))
    run = embed_own(cfg, tmp_path / 'run' / 'epoch_0.pth', data)
    assert sorted(run.images.paths) == sorted(str(tmp_path / name) for name in data.names)
    assert len(run.images) == len(set(run.images.paths)) == 12
    assert not run.images.knows_truth
    with pytest.raises(UserError, match='this one has ShapeWorld'):
        embed_own(Config(dict(test_dataloader=dict(dataset=dict(type='ShapeWorld')))), tmp_path, data)


def test_a_model_of_infonce_is_shown_with_the_weights_of_sacl(work_dir):
    cfg = config_of(work_dir / 'infonce')
    run = embed(cfg, *checkpoint_of(work_dir / 'infonce', cfg))
    page = Explorer('infonce', run, held_out=False).page()
    assert 'as SACL would set them' in page
    assert 'Not shown: infonce: every negative has the weight 1.' in page
    assert page.count('class="positive"') == 10
    assert 'not trained on' not in page
    assert 'not trained on' in Explorer('infonce', run).page()


def test_what_cannot_be_explored(work_dir, tmp_path, monkeypatch):
    for arguments, message in (
        ([work_dir / 'sacl', '--images', tmp_path, '--html', tmp_path / 'x.html'], 'give DATA, too'),
        ([tmp_path / 'none', '--html', tmp_path / 'x.html'], 'does not exist'),
    ):
        with pytest.raises(SystemExit, match=message):
            in_process(monkeypatch, 'explore', *arguments)


def test_a_model_of_stored_features_has_no_search(tmp_path, monkeypatch):
    pytest.importorskip('starlette')
    pytest.importorskip('uvicorn')
    pytest.importorskip('multipart')
    cfg = config('sacl')
    cfg.test_dataloader.dataset = dict(type='CachedFeatures', ann_file='x.pt')
    save_untrained(tmp_path / 'run', cfg)
    with pytest.raises(SystemExit, match=r'no search: the test dataset .* --html OUT.html writes the page without'):
        in_process(monkeypatch, 'explore', tmp_path / 'run')
