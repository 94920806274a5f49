"""COCO's own ids of images and captions, which benchmarks on COCO go by."""

from collections import defaultdict
from typing import NamedTuple

from sacl_mm.datasets.annotation_fields import (
    check,
    entries_of,
    integer_field,
    list_field,
    name_field,
    numbered,
    read_entries,
    text_field,
)
from sacl_mm.datasets.text_files import load_json
from sacl_mm.registry import TASK_UTILS

_Sentences = list[tuple[int, str]]


class CocoImage(NamedTuple):
    """An image's id, and its captions with their ids in the order of the file."""

    image_id: int
    caption_ids: list[int]
    captions: list[str]


@TASK_UTILS.register_module()
def coco_ids(ann_file: str) -> dict[str, CocoImage]:
    """Every image of an annotation file by its name without folders, as `COCO_val2014_000000391895.jpg`.

    Args:
        ann_file: Karpathy's dataset_coco.json, or a captions file of COCO's (captions_val2014.json).

    Raises:
        FileNotFoundError, AnnotationError: there is no such file; it has no such ids, or one of them twice.
    """
    content = load_json(ann_file)
    images = entries_of(content, 'images', ann_file, "dataset_coco.json or COCO captions, an object with 'images'")
    if 'annotations' in content:
        captions = _captions_by_image(content, ann_file)
        expected = "an 'id' and a 'file_name'"

        def row(entry: dict) -> tuple[str, int, _Sentences]:
            image_id = integer_field(entry, 'id')
            return name_field(entry, 'file_name'), image_id, captions[image_id]
    else:
        expected = "'filename', 'cocoid' and 'sentences' with 'sentid' and 'raw', as dataset_coco.json has them"

        def row(entry: dict) -> tuple[str, int, _Sentences]:
            sentences = [
                (integer_field(one, 'sentid'), text_field(one, 'raw')) for one in list_field(entry, 'sentences')
            ]
            return name_field(entry, 'filename'), integer_field(entry, 'cocoid'), sentences

    found: dict[str, CocoImage] = {}
    image_ids: set[int] = set()
    caption_ids: set[int] = set()
    for where, (name, image_id, sentences) in read_entries(numbered(images, f'{ann_file}: image'), expected, row):
        name, own = name.rpartition('/')[2], [number for number, _ in sentences]
        check(name not in found and image_id not in image_ids, f'{where}: {name}, id {image_id}, is listed twice')
        check(
            len(set(own)) == len(own) and caption_ids.isdisjoint(own),
            f'{where}: an id of its captions {own} comes twice',
        )
        found[name] = CocoImage(image_id, own, [text for _, text in sentences])
        image_ids.add(image_id)
        caption_ids.update(own)
    return found


def _captions_by_image(content: dict, path: str) -> defaultdict[int, _Sentences]:
    rows = read_entries(
        numbered(
            entries_of(content, 'annotations', path, "COCO captions, a list 'annotations'"), f'{path}: annotation'
        ),
        "'id', 'image_id' and 'caption'",
        lambda entry: (integer_field(entry, 'image_id'), (integer_field(entry, 'id'), text_field(entry, 'caption'))),
    )
    captions: defaultdict[int, _Sentences] = defaultdict(list)
    for _, (image_id, sentence) in rows:
        captions[image_id].append(sentence)
    return captions
