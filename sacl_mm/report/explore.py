"""What a trained model makes of a set of images: the weights in a batch, suspected false negatives, its worst errors.

Shapes: N images, T captions, E embedding.
"""

import base64
import csv
import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor

from sacl_mm.datasets.own_data import OwnData
from sacl_mm.models.losses import SACLContrastiveLoss
from sacl_mm.models.losses.policies import SimilarityRegulation
from sacl_mm.report.gallery import Mark, mark_of
from sacl_mm.report.page import batch_weights_of, environment
from sacl_mm.report.retrieval import Retrieval, ValidationImages, embed
from sacl_mm.user_error import UserError, printable

# Of the suspects that go to the table, the page shows the first ones.
SUSPECTS, SHOWN_SUSPECTS, ERRORS = 500, 60, 12


@dataclass(frozen=True)
class Suspect:
    """A caption of another image that the model finds fitting. `owner`: the image that it was written for; `own`: the caption
    of `image` that fits it least; `is_true`: whether it is true of the image, None where nobody knows."""

    image: int
    text: int
    owner: int
    own: int
    cosine: float
    is_true: bool | None


@dataclass(frozen=True)
class Error:
    """A query whose match comes late: a caption whose own image does, or an image whose best caption does. `rank`: from 1;
    `first`: what comes first, an image or a caption, with its mark."""

    text: int
    image: int
    rank: int
    first: int
    mark: Mark


def embed_own(cfg: Config, checkpoint: Path, data: OwnData) -> Retrieval:
    """`embed` of one's own images in place of the test data of `cfg`, which is changed; those that can be read alone.

    Raises:
        UserError: the model's test data are no image files; see `embed` for the rest.
    """
    with tempfile.TemporaryDirectory() as folder:
        names = Path(folder, 'names.txt')
        names.write_text(''.join(f'{name}\n' for name in data.names), encoding='utf-8')
        return embed(_point_to(cfg, data, names), checkpoint, 'test')


def _point_to(cfg: Config, data: OwnData, names: Path) -> Config:
    dataset = (cfg.get('test_dataloader') or {}).get('dataset', {})
    if dataset.get('type') not in ('ImageTextPairs', 'sacl_mm.ImageTextPairs'):
        raise UserError(
            f'DATA needs a model that is tested on ImageTextPairs; this one has {dataset.get("type")}: leave it out'
        )
    dataset.update(
        ann_file=data.ann_file,
        data_root='',
        data_prefix=dict(img_path=data.image_folder),
        split_file=str(names),
        split=None,
        format='auto',
        columns=None,
        test_mode=True,  # else another image would stand for one that is broken
    )
    cfg.test_evaluator = []
    return cfg


def suspects(run: Retrieval, most: int = SUSPECTS) -> list[Suspect]:
    """Pairs that are not annotated, but score higher than the image's own worst caption; the highest cosines first, at most
    one of each image and of each caption. A caption with the words of one of the image's own is none: it says nothing new."""
    cosine_NT = (run.image_NE @ run.text_TE.t()).numpy()
    own_NT = run.images.own_NT
    worst_N = np.where(own_NT, cosine_NT, np.inf).argmin(axis=1)
    margin_NT = cosine_NT - cosine_NT[np.arange(len(worst_N)), worst_N][:, None]
    candidates = np.argwhere((margin_NT > 0) & ~_same_words(run.images))
    order = np.argsort(-cosine_NT[candidates[:, 0], candidates[:, 1]], kind='stable')
    found: list[Suspect] = []
    images, texts = set[int](), set[int]()
    for image, text in candidates[order].tolist():
        if image in images or text in texts:
            continue
        images.add(image)
        texts.add(text)
        is_true = bool(run.images.relevant_NT[image, text]) if run.images.knows_truth else None
        owner = int(run.images.owner_T[text])
        found.append(Suspect(image, text, owner, int(worst_N[image]), float(cosine_NT[image, text]), is_true))
        if len(found) == most:
            break
    return found


def worst_errors(run: Retrieval, most: int = ERRORS) -> list[Error]:
    """Captions searched among the images, those whose own image comes last first; one of each image."""
    cosine_TN = run.text_TE @ run.image_NE.t()
    owner_T = torch.from_numpy(run.images.owner_T)
    own_T = cosine_TN.gather(1, owner_T[:, None])
    rank_T = 1 + (cosine_TN > own_T).sum(dim=1)
    found: dict[int, Error] = {}
    for text in rank_T.argsort(descending=True, stable=True).tolist():
        image, first = int(owner_T[text]), int(cosine_TN[text].argmax())
        if len(found) < most and image not in found and rank_T[text] > 1:
            found[image] = Error(text, image, int(rank_T[text]), first, mark_of(run.images, first, text))
    return list(found.values())


def worst_image_errors(run: Retrieval, most: int = ERRORS) -> list[Error]:
    """Images searched among the captions, those of whose own captions the best one comes last first."""
    cosine_NT = run.image_NE @ run.text_TE.t()
    best_N, text_N = cosine_NT.masked_fill(~torch.from_numpy(run.images.own_NT), -torch.inf).max(dim=1)
    rank_N = 1 + (cosine_NT > best_N[:, None]).sum(dim=1)
    found = []
    for image in rank_N.argsort(descending=True, stable=True)[:most].tolist():
        if rank_N[image] > 1:
            first = int(cosine_NT[image].argmax())
            mark = mark_of(run.images, image, first)
            found.append(Error(int(text_N[image]), image, int(rank_N[image]), first, mark))
    return found


def suspects_csv(run: Retrieval, found: list[Suspect]) -> str:
    """A table with the image, the suspected caption, the image that it was written for, their cosine, and the caption of the
    image that fits it least; also whether the suspect is right, where that is known."""
    out = io.StringIO()
    writer = csv.writer(out)
    columns = ['image', 'caption', 'caption_of', 'cosine', 'own_caption']
    writer.writerow([*columns, 'is_true'] if run.images.knows_truth else columns)
    for one in found:
        paths = [run.images.paths[i] or str(run.images.image_ids_N[i]) for i in (one.image, one.owner)]
        captions = run.images.captions
        row = [paths[0], captions[one.text], paths[1], f'{one.cosine:.4f}', captions[one.own]]
        # A name may have half a character, which no file can be written with.
        writer.writerow([printable(cell) for cell in (row if one.is_true is None else [*row, int(one.is_true)])])
    return out.getvalue()


def _same_words(images: ValidationImages) -> np.ndarray:
    """(N, T): whether a caption has the words of one of the image's own."""
    _, words_T = np.unique([' '.join(caption.lower().split()) for caption in images.captions], return_inverse=True)
    has_NW = np.zeros((len(images), words_T.max() + 1), bool)
    has_NW[images.owner_T, words_T] = True
    return has_NW[:, words_T]


@dataclass
class Explorer:
    """The page about one model. `with_search`: it is served, so that it can be searched. `held_out`: whether it is known that
    the model was not trained on these images."""

    name: str
    run: Retrieval
    with_search: bool = False
    held_out: bool = True

    def __post_init__(self) -> None:
        self.suspects, self.errors = suspects(self.run), worst_errors(self.run)
        images = self.run.images
        lacking: dict[str, list[str]] = dict(weights=[])
        weights = self._weights(lacking['weights'])
        self._shown: Mapping[str, object] = dict(
            title=self.name,
            lead='',
            runs=list(weights) or [self.name],
            held_out=self.held_out,
            report=SimpleNamespace(lacking=lacking),
            weights=weights,
            images=images,
            suspects=self.suspects,
            shown_suspects=self.suspects[:SHOWN_SUSPECTS],
            true_share=100 * float(images.relevant_NT[~images.own_NT].mean()) if images.knows_truth else None,
            table=self._table(),
            errors=self.errors,
            image_errors=worst_image_errors(self.run),
            with_search=self.with_search,
        )

    def _table(self) -> str:
        """Where the table of suspects is: in a page alone, in the page itself."""
        if self.with_search:
            return '/suspects.csv'
        content = suspects_csv(self.run, self.suspects).encode()
        return f'data:text/csv;charset=utf-8;base64,{base64.b64encode(content).decode()}'

    def _weights(self, lacking: list[str]) -> dict[str, dict]:
        """Of the model's own loss; where that tells no negatives apart (InfoNCE), what SACL would make of them."""
        weights = batch_weights_of({self.name: self.run}, lacking)
        if weights or self.run.loss is None or len(self.run.images) < 2:
            return weights
        sacl = SACLContrastiveLoss(policy=SimilarityRegulation())
        return batch_weights_of({'as SACL would set them': replace(self.run, loss=sacl, evidence={})}, [])

    def page(self, query: str = '', found: dict[str, object] | None = None) -> str:
        """The whole page; `found` is what a search gave (`search_images`, `search_captions`)."""
        return environment().get_template('explore.html').render(**self._shown, query=query, found=found)

    def search_images(self, text_E: Tensor, most: int = 12) -> dict[str, object]:
        """The images that fit a text best, as (index, cosine)."""
        return dict(images=_best(self.run.image_NE @ text_E, most), texts=[])

    def search_captions(self, image_E: Tensor, most: int = 12) -> dict[str, object]:
        """The captions that fit an image best, and the images that are most like it."""
        return dict(images=_best(self.run.image_NE @ image_E, most), texts=_best(self.run.text_TE @ image_E, most))


def _best(cosines: Tensor, most: int) -> list[tuple[int, float]]:
    values, places = cosines.topk(min(most, len(cosines)))
    return list(zip(places.tolist(), values.tolist(), strict=True))
