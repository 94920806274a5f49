"""The package eccv_caption with a few images of COCO's test split, and an annotation file of them."""

from typing import Any

import numpy as np

IMAGES_PER_FOLD = 12


def small_benchmark() -> Any:
    """Its `Metrics` with a few images of each fold, those first that ECCV Caption has matches for, and their captions."""
    import eccv_caption

    metrics = eccv_caption.Metrics()
    images = []
    for captions in np.split(metrics.coco_ids, 5):
        of_fold = list(dict.fromkeys(metrics.coco_gts['t2i'][caption][0] for caption in captions.tolist()))
        of_fold.sort(key=lambda image: image not in metrics.eccv_gts['i2t'])
        images += of_fold[:IMAGES_PER_FOLD]
    captions = [caption for image in images for caption in sorted(metrics.coco_gts['i2t'][image])]
    metrics.coco_ids = np.array(captions)
    for name in ('coco_gts', 'cxc_gts', 'eccv_gts'):
        matches = getattr(metrics, name)
        kept = dict(i2t=_among(matches['i2t'], images, captions), t2i=_among(matches['t2i'], captions, images))
        setattr(metrics, name, kept)
    return metrics


def _among(matches: dict[int, list[int]], queries: list[int], candidates: list[int]) -> dict[int, list[int]]:
    allowed = set(candidates)
    found = {query: [match for match in matches.get(query, ()) if match in allowed] for query in queries}
    return {query: own for query, own in found.items() if own}


def name_of(image: int) -> str:
    return f'COCO_val2014_{image:012d}.jpg'


def karpathy(captions_of: dict[int, list[int]], extra=()) -> dict:
    """dataset_coco.json of the split; images in `extra` have a sixth caption, whose id the benchmark does not know."""
    images = [dict(filename='COCO_train2014_000000000001.jpg', cocoid=1, split='train', sentences=[])]
    for image, own in captions_of.items():
        captions = [(caption, f"It's caption {caption}.") for caption in own]
        captions += [(10**7 + image, 'one more')] if image in extra else []
        sentences = [dict(sentid=caption, raw=text) for caption, text in captions]
        images.append(
            dict(filepath='val2014', filename=name_of(image), cocoid=image, split='test', sentences=sentences)
        )
    return dict(images=images)
