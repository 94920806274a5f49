"""Data with one caption an image."""

import json

from first_caption import FirstCaption

from sacl_mm.datasets import ImageTextPairs


def test_the_first_caption_of_each_image_with_its_id(tmp_path):
    (tmp_path / 'a.json').write_text(
        json.dumps([dict(image='1.jpg', caption=['a', 'b']), dict(image='2.jpg', caption='c')])
    )
    for name in ('1.jpg', '2.jpg'):
        (tmp_path / name).touch()  # only looked for
    first, every = (kind('a.json', str(tmp_path)) for kind in (FirstCaption, ImageTextPairs))
    for i, text in enumerate('ac'):
        found, whole = first.get_data_info(i), every.get_data_info(i)
        assert (found['text'], found['text_ids']) == ([text], whole['text_ids'][:1])
