"""The page of `tools/describe_data.py PATH --html`."""

import os
from pathlib import Path

from sacl_mm.own_images.description import Description
from sacl_mm.report.page import environment
from sacl_mm.report.provenance import report_facts
from sacl_mm.report.retrieval import Thumbnail, thumbnail_of


def write_page(described: Description, out: Path) -> None:
    """Write the tables and the suspects with their images into one file that needs nothing else."""
    data = described.data

    def image(place: int) -> Thumbnail:
        name = data.names[place]
        return thumbnail_of(os.path.join(data.image_folder, name), f'Image {os.path.basename(name)}')

    suspects = [
        dict(
            caption=suspect.caption,
            coverage=suspect.coverage,
            image=image(suspect.image),
            captions=data.captions[data.names[suspect.image]],
            owner=image(suspect.owner),
        )
        for suspect in described.suspects
    ]
    template = environment().get_template('description.html')
    page = template.render(
        title=f'Images and captions of {os.path.basename(data.ann_file)}',
        described=described,
        suspects=suspects,
        made=report_facts(),
    )
    out.write_text(page, encoding='utf-8')
