"""Names in annotation files do not choose what is opened: they stay below the data root and are regular files."""

import json
import os
import socket
import time
import urllib.request

import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from PIL import Image

from sacl_mm.datasets import BrokenSampleError, ImageTextPairs, LoadImage, NLVR2Pairs, VisualQuestions
from sacl_mm.datasets.image_text_dataset import stable_id
from sacl_mm.user_error import AnnotationError

LOADERS = [dict(type='sacl_mm.LoadImage'), dict(type='LoadImageFromFile')]
LOADER_NAMES = ['LoadImage', "mmcv's loader"]


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError(f'a request was sent: {arguments}')

    monkeypatch.setattr(urllib.request, 'urlopen', refuse)
    monkeypatch.setattr(socket, 'create_connection', refuse)


@pytest.fixture
def root(tmp_path):
    """`images` with two images, and one beside the root."""
    images = tmp_path / 'root' / 'images'
    images.mkdir(parents=True)
    for path in (images / 'a.png', images / 'b.png', tmp_path / 'secret.png'):
        Image.fromarray(np.full((4, 6, 3), 90, np.uint8)).save(path)
    return tmp_path / 'root'


def pairs(root, names, **options) -> ImageTextPairs:
    entries = [dict(image=name, caption='a star') for name in names]
    (root / 'captions.json').write_text(json.dumps(entries), encoding='utf-8')
    given = dict(data_prefix=dict(img_path='images'), pipeline=[LOADERS[0]], serialize_data=False)
    return ImageTextPairs('captions.json', data_root=str(root), **(given | options))


# What a name says, and what the one line says of it; {outside} is the folder above the root.
NOT_ALLOWED = {
    'image name http://...': ('http://169.254.169.254/latest.jpg', 'img2dataset'),
    'https': ('https://example.com/x.png', 'img2dataset'),
    's3://...': ('s3://bucket/x.png', 'img2dataset'),
    'a backend that does not exist': ('nonsense://x.png', 'img2dataset'),
    'file://': ('file:///etc/passwd', 'img2dataset'),
    'an address with a cluster': ('here:s3://bucket/x.png', 'img2dataset'),
    'absolute': ('{outside}/secret.png', r"data_prefix=dict\(img_path='/'\)"),
    'absolute, no image': ('/etc/passwd', r"data_prefix=dict\(img_path='/'\)"),
    'a device': ('/dev/zero', r"data_prefix=dict\(img_path='/'\)"),
    'absolute, through the root': ('{outside}/root/../secret.png', 'data_root'),
    'a neighbour that begins like the root': ('{outside}/root2/a.png', r"data_prefix=dict\(img_path='/'\)"),
    '..': ('../../secret.png', 'data_root'),
    '.. in the middle': ('sub/../../../secret.png', 'data_root'),
    '.. at the end': ('../..', 'data_root'),
    '.. far up': ('../' * 30 + 'etc/passwd', 'data_root'),
}


@pytest.mark.parametrize('loader', LOADERS, ids=LOADER_NAMES)
@pytest.mark.parametrize(('name', 'advice'), NOT_ALLOWED.values(), ids=NOT_ALLOWED)
def test_names_that_lead_out_are_broken_samples(root, name, advice, loader, caplog):
    name = name.format(outside=root.parent)
    dataset = pairs(root, [name, 'a.png'], pipeline=[loader])
    assert dataset[0]['img_path'].endswith('a.png')
    assert 'outside' in next(iter(dataset.broken.values()))
    with pytest.raises(AnnotationError, match=rf'(?s)captions.json.*1 of 2 image names lead out of .*{advice}'):
        pairs(root, [name, 'a.png'], test_mode=True)
    with pytest.raises(AnnotationError, match='1 of 1 image names'):
        pairs(root, [name])


def test_names_that_lead_out_are_counted_once_when_loaded(root, monkeypatch):
    lines = []
    monkeypatch.setattr('sacl_mm.datasets.image_text_dataset.print_log', lambda text, **options: lines.append(text))
    pairs(root, [*(f'/x/{n}.png' for n in range(50)), 'a.png'])
    (line,) = lines
    assert '50 of 51 image names lead out of' in line
    assert '/x/2.png, ...' in line
    assert '/x/3.png' not in line


IRREGULAR = {
    'a FIFO': os.mkfifo,
    '/dev/zero': lambda path: os.symlink('/dev/zero', path),
    'a terminal': lambda path: os.symlink('/dev/tty', path),
    'a directory': os.mkdir,
    'a link to a directory': lambda path: os.symlink('/tmp', path),
    'a socket': lambda path: socket.socket(socket.AF_UNIX).bind(os.path.relpath(path)),
    'a link to itself': lambda path: os.symlink(path, path),
    'a link to nothing': lambda path: os.symlink('/nowhere', path),
}


@pytest.mark.parametrize('loader', LOADERS, ids=LOADER_NAMES)
@pytest.mark.parametrize('make', IRREGULAR.values(), ids=IRREGULAR)
def test_what_is_no_regular_file_is_never_opened(root, make, loader):
    make(root / 'images' / 'x.png')
    start = time.monotonic()
    dataset = pairs(root, ['x.png', 'a.png'], pipeline=[loader])
    assert dataset._missing(dataset._image_paths()) == [str(root / 'images' / 'x.png')]
    assert dataset[0]['img_path'].endswith('a.png')
    (reason,) = dataset.broken.values()
    assert '\n' not in reason
    with pytest.raises(FileNotFoundError, match='1 of 2 images are missing'):
        pairs(root, ['x.png', 'a.png'], test_mode=True)
    with pytest.raises(BrokenSampleError, match=r'x\.png'):
        LoadImage()(dict(img_path=str(root / 'images' / 'x.png')))
    assert time.monotonic() - start < 5


# No file has such a name: the reader says which entry.
IMPOSSIBLE = {
    'a NUL byte': 'a\0.png',
    'a NUL byte after ..': '../a\0.png',
    'a lone surrogate': 'a\ud800.png',
    'a lone surrogate after ..': '../../\ud800/a.png',
    'half an emoji': 'a\ud83d.png',
    'empty': '',
}
STRANGE = {
    'a byte that is no UTF-8': 'a\udcff.png',
    'too long': 'a' * 5000 + '.png',
    'a deep folder': 'a/' * 3000 + 'a.png',
    'a dot': '.',
    'a folder': 'sub/',
    'an escape sequence': '\x1b[2J.png',
    'a newline': 'a\nb.png',
    'a space at the end': 'a.png ',
}


@pytest.mark.parametrize('name', IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_names_are_refused_where_they_are_read(root, name):
    with pytest.raises(AnnotationError, match=r'captions\.json: entry 1: ') as raised:
        pairs(root, ['a.png', name, 'b.png'])
    assert str(raised.value).isprintable()


@pytest.mark.parametrize('loader', LOADERS, ids=LOADER_NAMES)
@pytest.mark.parametrize('name', STRANGE.values(), ids=STRANGE)
def test_strange_names_are_missing_images_like_any_other(root, name, loader, capsys):
    (root / 'images' / 'sub').mkdir()
    dataset = pairs(root, ['a.png', name, 'b.png'], pipeline=[loader])
    if name.strip() != name:  # readers may strip
        return
    assert dataset[1]['img_path'].endswith('b.png')
    (reason,) = dataset.broken.values()
    for shown in (reason, *capsys.readouterr()):
        assert '\x1b' not in shown
        shown.encode()
    with pytest.raises((FileNotFoundError, AnnotationError)) as raised:
        pairs(root, ['a.png', name], test_mode=True)
    str(raised.value).encode()
    assert '\x1b' not in str(raised.value)
    assert '\n' not in str(raised.value)


def test_a_file_whose_name_is_no_utf8_can_be_read(root):
    name = os.fsdecode(b'caf\xe9.png')
    os.link(root / 'images' / 'a.png', root / 'images' / name)
    dataset = pairs(root, [name])
    assert dataset[0]['img'].shape == (4, 6, 3)
    assert dataset[0]['image_id'] == stable_id(str(root / 'images' / name))


def test_ids_of_ordinary_names_are_what_they_were():
    assert stable_id('images/größe.png#0') == 8943411914906371


ALLOWED = {
    'absolute names, where the prefix says so': dict(prefix='/', name='{outside}/secret.png'),
    'absolute names below the data root': dict(prefix='images', name='{outside}/root/images/a.png'),
    '.. within the data root': dict(prefix='images/sub', name='../a.png'),
    'a linked folder of images': dict(prefix='linked', name='secret.png'),
    'a linked folder below the images': dict(prefix='', name='linked/secret.png'),
    'a linked image': dict(prefix='', name='linked.png'),
    'a name with two dots in it': dict(prefix='', name='a..b.png'),
    'a relative root with ..': dict(prefix='../../{cwd}/images', name='a.png'),
}


@pytest.mark.parametrize('case', ALLOWED.values(), ids=ALLOWED)
def test_what_the_user_says_is_allowed(root, case, monkeypatch):
    (root / 'images' / 'sub').mkdir()
    (root / 'linked').symlink_to(root.parent)
    (root / 'linked.png').symlink_to(root.parent / 'secret.png')
    os.link(root / 'images' / 'a.png', root / 'a..b.png')
    monkeypatch.chdir(root)
    prefix = case['prefix'].format(cwd=os.path.join(root.parent.name, root.name))
    dataset = pairs(root, [case['name'].format(outside=root.parent)], data_prefix=dict(img_path=prefix), test_mode=True)
    assert dataset[0]['img'].shape == (4, 6, 3)


def test_a_remote_folder_is_the_users_own(root):
    dataset = pairs(root, ['a.png', 'b.png'], data_prefix=dict(img_path='s3://bucket/images'), test_mode=True)
    assert dataset.get_data_info(0)['img_path'] == 's3://bucket/images/a.png'
    with pytest.raises(AnnotationError, match='lead out of'):
        pairs(root, ['../other/a.png'], data_prefix=dict(img_path='s3://bucket/images'), test_mode=True)


def test_without_a_root_names_stay_below_the_current_folder(root, monkeypatch):
    monkeypatch.chdir(root)
    entries = [dict(image='images/a.png', caption='a star'), dict(image='/etc/passwd', caption='a star')]
    (root / 'captions.json').write_text(json.dumps(entries))
    dataset = ImageTextPairs('captions.json', pipeline=[LOADERS[0]])
    assert dataset[1]['img_path'] == 'images/a.png'
    assert 'outside' in dataset.broken['/etc/passwd']


def test_a_folder_of_images_with_texts(root):
    (root / 'images' / 'a.txt').write_text('a star')
    dataset = ImageTextPairs(str(root / 'images'), pipeline=[LOADERS[0]], test_mode=True)
    assert dataset[0]['img'].shape == (4, 6, 3)


QUESTIONS = {'prefix': 'images', 'several prefixes': ['images', 'more']}


@pytest.mark.parametrize('prefix', QUESTIONS.values(), ids=QUESTIONS)
@pytest.mark.parametrize('name', ['http://x/a.png', '/etc/passwd', '../../secret.png'])
def test_names_in_files_of_questions(root, prefix, name):
    questions = [dict(image=image, question='what?', answer=['star'], weight=[1.0]) for image in (name, 'a.png')]
    (root / 'questions.json').write_text(json.dumps(questions))
    options = dict(
        ann_file='questions.json', serialize_data=False, data_root=str(root), data_prefix=dict(img_path=prefix)
    )
    dataset = VisualQuestions(pipeline=[LOADERS[0]], **options)
    assert dataset[0]['img_path'].endswith('a.png')
    assert len(dataset.broken) == 1


@pytest.mark.parametrize('name', ['http://x/a.png', '/etc/passwd', '../../secret.png', 'pipe.png'])
def test_names_in_nlvr2s_pairs(root, name):
    os.mkfifo(root / 'images' / 'pipe.png')
    entries = [
        dict(sentence='Both are red.', label='True', images=images) for images in (['a.png', name], ['a.png', 'b.png'])
    ]
    (root / 'pairs.json').write_text(json.dumps(entries))
    steps = dict(type='mmpretrain.ApplyToList', scatter_key='img_path', transforms=LOADERS[:1], collate_keys=['img'])
    options = dict(
        ann_file='pairs.json', serialize_data=False, data_root=str(root), data_prefix=dict(img_path='images')
    )
    dataset = NLVR2Pairs(pipeline=[steps], **options)
    assert len(dataset[0]['img']) == 2
    assert len(dataset.broken) == 1
    with pytest.raises((AnnotationError, FileNotFoundError), match='1 of '):
        NLVR2Pairs(pipeline=[steps], test_mode=True, **options)


def test_nlvr2s_directory_does_not_lead_out(root):
    (root.parent / 'other').mkdir()
    entry = dict(sentence='Both are red.', label='True', identifier='train-1-0-0', directory='../../other')
    (root / 'train.json').write_text(json.dumps(entry))
    with pytest.raises(AnnotationError, match='2 of 2 image names lead out of'):
        NLVR2Pairs(ann_file='train.json', data_root=str(root), data_prefix=dict(img_path='images'))


def test_a_file_that_becomes_a_pipe_after_loading_is_not_waited_for(root):
    for loader in LOADERS:
        dataset = pairs(root, ['b.png', 'a.png'], pipeline=[loader])
        (root / 'images' / 'b.png').unlink()
        os.mkfifo(root / 'images' / 'b.png')
        assert dataset[0]['img_path'].endswith('a.png')
        (reason,) = dataset.broken.values()
        assert 'regular file' in reason
        (root / 'images' / 'b.png').unlink()
        os.link(root / 'images' / 'a.png', root / 'images' / 'b.png')


def test_permission_denied_is_a_broken_sample(root, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError(13, 'Permission denied', arguments[0])

    dataset = pairs(root, ['b.png', 'a.png'])
    monkeypatch.setattr('sacl_mm.datasets.transforms.load_image.open', refuse, raising=False)
    with pytest.raises(BrokenSampleError, match=r'b\.png: Permission denied'):
        dataset[0]


def test_mmcvs_loader_in_code_goes_on_working(root):
    assert pairs(root, ['a.png'], pipeline=[LoadImageFromFile()])[0]['img'].shape == (4, 6, 3)
