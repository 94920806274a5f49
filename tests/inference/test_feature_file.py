"""tools/embed.py and tools/search.py: features of images in a file, and what is found in it."""

import json
import shutil
import sys

import numpy as np
import pytest
import torch
from command_line import in_process
from inferencers import arrays, captions, saved, write

from sacl_mm.checkpoints.weights import weights_hash
from sacl_mm.inference import ImageTextInferencer
from sacl_mm.inference.feature_file import FeatureFile, FeatureWriter, Maker, write_index
from sacl_mm.inference.gallery import Gallery, GalleryImage
from sacl_mm.user_error import UserError

parquet = pytest.importorskip('pyarrow.parquet')
MAKER = Maker('model.pth', 'a', 'b')


@pytest.fixture
def place(tmp_path):
    """A model's folder, six images, of which one is broken, and one with captions."""
    (tmp_path / 'run').mkdir()
    config, checkpoint, _ = saved(tmp_path, 'DualEncoder')
    config.rename(tmp_path / 'run/small.py')
    checkpoint.rename(tmp_path / 'run/best_epoch_1.pth')
    (tmp_path / 'images').mkdir()
    write(tmp_path / 'images', arrays())
    (tmp_path / 'images/3.png').write_bytes(b'no image')
    (tmp_path / 'images/1.txt').write_text('one\ntwo\n')
    return tmp_path


def embed(monkeypatch, place, *more, data='images'):
    out = place / 'features.parquet'
    in_process(monkeypatch, 'embed', place / 'run', place / data, '--out', out, '--batch-size', 4, *more)
    return out


def search(monkeypatch, capsys, place, query, *more):
    capsys.readouterr()
    in_process(monkeypatch, 'search', place / 'features.parquet', query, *more)
    return capsys.readouterr().out


def refused(capsys, message, call, *arguments):
    with pytest.raises(SystemExit) as ended:
        call(*arguments)
    assert message in str(ended.value)


def test_features_are_the_inferencers_and_broken_images_are_named(monkeypatch, place, capsys):
    out = embed(monkeypatch, place)
    said = capsys.readouterr().out
    assert 'left out: ' in said
    assert '3.png' in said
    assert '5 images, 16 numbers each; 1 could not be read' in said
    table = parquet.read_table(out)
    paths = [str(place / f'images/{number}.png') for number in (0, 1, 2, 4, 5)]
    assert table['path'].to_pylist() == paths
    assert table['captions'].to_pylist() == [[], ['one', 'two'], [], [], []]
    expected = ImageTextInferencer(place / 'run').embed_images(paths)
    found = np.array(table['feature'].to_pylist(), np.float32)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert str(table.schema.field('feature').type) == 'fixed_size_list<element: halffloat>[16]'
    assert not (place / 'features.parquet.parts').exists()
    embed(monkeypatch, place)
    assert 'is there already' in capsys.readouterr().out


def test_texts_and_images_find_what_the_inferencer_finds(monkeypatch, place, capsys):
    pytest.importorskip('faiss')
    embed(monkeypatch, place, '--faiss', place / 'index.faiss')
    paths = [str(place / f'images/{number}.png') for number in (0, 1, 2, 4, 5)]
    text, model = captions()[0], ['--model', place / 'run']
    (hits,) = ImageTextInferencer(place / 'run').search([text], paths, k=2)
    for more in ([], ['--faiss', place / 'index.faiss']):
        out = search(monkeypatch, capsys, place, text, '-k', 2, *model, *more)
        scores = [line.split('│')[1].strip() for line in out.splitlines() if '│' in line and '.' in line.split('│')[1]]
        assert [float(score) for score in scores] == pytest.approx([hit.score for hit in hits], abs=2e-3)
    assert '1.000' in search(monkeypatch, capsys, place, paths[1], '-k', 1, *model)
    assert 'one; two' in search(monkeypatch, capsys, place, paths[1], '-k', 1, *model)


def test_another_model_and_other_data_are_refused(monkeypatch, place, capsys):
    out = embed(monkeypatch, place)
    shutil.copytree(place / 'run', place / 'other')
    state = torch.load(place / 'run/best_epoch_1.pth', weights_only=True)['state_dict']
    torch.save(dict(state_dict={name: x * 0.5 for name, x in state.items()}), place / 'other/best_epoch_1.pth')
    args = (monkeypatch, capsys, place, 'a red star')
    refused(capsys, "best_epoch_1.pth'. Give that one as --model", search, *args, '--model', place / 'other')
    refused(capsys, 'give the model as --model', search, *args)
    refused(
        capsys, "image 'x.png' does not exist", search, monkeypatch, capsys, place, 'x.png', '--model', place / 'run'
    )
    (place / 'images/1.txt').write_text('three\n')
    refused(capsys, 'was made with other data', embed, monkeypatch, place)
    out.write_bytes(b'PAR1 and nothing else')
    refused(capsys, 'is no features file', search, *args)
    out.unlink()
    refused(capsys, 'tools/embed.py makes them', search, *args)


def test_the_names_in_a_caption_file_stay_below_its_folder(monkeypatch, place, capsys):
    pairs = [dict(image=name, caption='x') for name in ('images/0.png', '/etc/passwd', 'images/none.png')]
    (place / 'pairs.json').write_text(json.dumps(pairs))
    embed(monkeypatch, place, data='pairs.json')
    assert '1 images, 16 numbers each; 2 could not be read' in capsys.readouterr().out
    gallery = Gallery(str(place / 'pairs.json'), str(place))
    assert [gallery.image(index).captions for index in range(3)] == [['x']] * 3


def some(number, count=2):
    torch.manual_seed(number)
    images = [GalleryImage(f'{number}/{row}.png', row, ['a']) for row in range(count)]
    return images, torch.nn.functional.normalize(torch.randn(count, 4)).numpy()


def test_an_interrupted_file_goes_on_and_ends_as_another(tmp_path):
    first, second = tmp_path / 'first.parquet', tmp_path / 'second.parquet'
    FeatureWriter(first, MAKER).write(0, *some(0), ['lost: a.png'])
    again = FeatureWriter(first, MAKER)
    assert (again.has(0), again.has(1), first.exists()) == (True, False, False)
    whole = FeatureWriter(second, MAKER)
    whole.write(0, *some(0), ['lost: a.png'])
    for writer in (again, whole):
        writer.write(1, *some(1), [])
        writer.write(2, *some(2, count=0), ['lost: b.png'])
        assert writer.finish(3) == ['lost: a.png', 'lost: b.png']
    assert first.read_bytes() == second.read_bytes()
    file = FeatureFile(first)
    assert (len(file), file.width, file.file.num_row_groups, file.maker) == (4, 4, 2, MAKER)
    (best, _), query = file.search(some(1)[1][1], 2), some(1)[1][1]
    assert best == (pytest.approx(1, abs=1e-3), 3)
    assert file.images([3, 0]) == [some(1)[0][1], some(0)[0][0]]
    assert np.concatenate(list(file.features())) @ query == pytest.approx(
        np.concatenate([some(0)[1], some(1)[1]]) @ query, abs=1e-3
    )


def test_what_was_begun_with_other_weights_is_not_gone_on_with(tmp_path):
    FeatureWriter(tmp_path / 'x.parquet', MAKER)
    with pytest.raises(UserError, match='was made with other weights: delete it'):
        FeatureWriter(tmp_path / 'x.parquet', MAKER._replace(weights='c'))


def test_an_index_of_other_features_is_refused(tmp_path):
    pytest.importorskip('faiss')
    from sacl_mm.inference.feature_file import search_index

    files = []
    for count in (2, 3):
        writer = FeatureWriter(tmp_path / f'{count}.parquet', MAKER)
        writer.write(0, *some(0, count), [])
        writer.finish(1)
        files.append(FeatureFile(writer.path))
    write_index(files[0], tmp_path / 'index.faiss')
    with pytest.raises(UserError, match='has 2 rows of 4 numbers.* 3 of 4: make it again'):
        search_index(files[1], tmp_path / 'index.faiss', some(0)[1][0], 2)
    (tmp_path / 'index.faiss').write_bytes(b'nothing')
    with pytest.raises(UserError, match='no FAISS index'):
        search_index(files[0], tmp_path / 'index.faiss', some(0)[1][0], 2)


def test_the_hash_is_of_the_weights():
    torch.manual_seed(0)
    one, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    assert weights_hash(one.state_dict()) != weights_hash(other.state_dict())
    other.load_state_dict(one.state_dict())
    assert weights_hash(one.state_dict()) == weights_hash(other.state_dict())
    assert weights_hash(one.bfloat16().state_dict()) != weights_hash(other.state_dict())


@pytest.mark.parametrize(('module', 'extra', 'act'), [('pyarrow', 'parquet', 'pyarrow'), ('faiss', 'search', 'faiss')])
def test_a_missing_package_is_one_line(module, extra, act, monkeypatch):
    from sacl_mm.inference import feature_file

    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=rf'pip install -e \.\[{extra}\]'):
        getattr(feature_file, f'load_{act}')()
