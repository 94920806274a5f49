import json

import pytest

from sacl_mm.datasets import ImageTextPairs, coco_ids
from sacl_mm.user_error import AnnotationError

NAME = 'COCO_val2014_000000391895.jpg'


def karpathy():
    sentences = [dict(sentid=770337, raw='A man on a bike.', tokens=[]), dict(sentid=771687, raw=' A dirt path ')]
    other = dict(filename='b.jpg', cocoid=7, split='train', sentences=[dict(sentid=9, raw='a cat')])
    entry = dict(
        filepath='val2014', filename=NAME, cocoid=391895, imgid=0, split='test', sentences=sentences, sentids=[]
    )
    return dict(images=[entry, other], dataset='coco')


def captions():
    rows = [(7, 9, 'a cat'), (391895, 770337, 'A man on a bike.'), (391895, 771687, 'A dirt path')]
    return dict(
        images=[dict(id=391895, file_name=NAME), dict(id=7, file_name='b.jpg')],
        annotations=[dict(id=number, image_id=image, caption=text) for image, number, text in rows],
    )


def written(path, content):
    path.write_text(json.dumps(content))
    return str(path)


@pytest.mark.parametrize('content', [karpathy, captions])
def test_ids_and_captions_in_the_order_of_the_data_set(tmp_path, content):
    path = written(tmp_path / 'a.json', content())
    assert coco_ids(path) == {
        NAME: (391895, [770337, 771687], ['A man on a bike.', 'A dirt path']),
        'b.jpg': (7, [9], ['a cat']),
    }
    for name in (f'val2014/{NAME}' if content is karpathy else NAME, 'b.jpg'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    dataset = ImageTextPairs(ann_file=path, data_root=str(tmp_path), test_mode=True)
    texts = {dataset.get_data_info(i)['img_path'].rpartition('/')[2]: dataset.get_data_info(i)['text'] for i in (0, 1)}
    assert texts == {name: image.captions for name, image in coco_ids(path).items()}


def change(place, key, value):
    def changed(content):
        for step in place:
            content = content[step]
        content.pop(key) if value is None else content.update({key: value})

    return changed


REFUSED = {
    "Flickr30k's file of Karpathy's": (
        karpathy,
        change(['images', 0], 'cocoid', None),
        r"image 0: expected .*'cocoid'",
    ),
    'no sentid': (karpathy, change(['images', 0, 'sentences', 1], 'sentid', None), r"image 0: .*no 'sentid'"),
    'an id as text': (karpathy, change(['images', 1], 'cocoid', '7'), 'image 1: .*must be a whole number'),
    'an image twice': (karpathy, change(['images', 1], 'filename', NAME), 'image 1: .* is listed twice'),
    'an id of an image twice': (captions, change(['images', 1], 'id', 391895), 'id 391895, is listed twice'),
    'an id of a caption twice': (
        captions,
        change(['annotations', 0], 'id', 770337),
        r'image 1: an id of its captions \[770337\] comes twice',
    ),
    'no images': (karpathy, change([], 'images', None), "an object with 'images'"),
    'annotations without captions': (
        captions,
        change(['annotations', 2], 'caption', None),
        "annotation 2: .*'caption'",
    ),
}


@pytest.mark.parametrize(('content', 'changed', 'message'), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(tmp_path, content, changed, message):
    content = content()
    changed(content)
    with pytest.raises(AnnotationError, match=message) as caught:
        coco_ids(written(tmp_path / 'a.json', content))
    assert 'a.json' in str(caught.value)
    assert '\n' not in str(caught.value)
