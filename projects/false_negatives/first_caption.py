"""Data with one caption an image."""

from sacl_mm.datasets import ImageTextPairs
from sacl_mm.registry import DATASETS


@DATASETS.register_module()
class FirstCaption(ImageTextPairs):
    """`ImageTextPairs` with the first caption of each image alone."""

    def load_data_list(self) -> list[dict]:
        items = super().load_data_list()
        return [dict(item, text=item['text'][:1], text_ids=item['text_ids'][:1]) for item in items]
