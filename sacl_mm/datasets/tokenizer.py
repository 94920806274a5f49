"""BERT's WordPiece tokenizer, lower case, from a word list, a vocabulary file or a checkpoint."""

import json
import os
from collections.abc import Sequence
from typing import Any

from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import WordPiece

from sacl_mm.checkpoints.packaged import packaged
from sacl_mm.registry import TASK_UTILS

SPECIAL_TOKENS = ('[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]')
_CHECKPOINT_FILES = ('vocab.txt', 'tokenizer.json', 'tokenizer_config.json')
_built: dict[str, 'WordPieceTokenizer'] = {}


def build_tokenizer(cfg: 'dict | WordPieceTokenizer') -> 'WordPieceTokenizer':
    """The tokenizer of a config; equal configs share one tokenizer in a process."""
    if not isinstance(cfg, dict):
        return cfg
    key = json.dumps(cfg, sort_keys=True, default=repr)
    if key not in _built:
        _built[key] = _build(cfg)
    return _built[key]


@TASK_UTILS.register_module()
class WordPieceTokenizer:
    """Text to `[CLS] pieces [SEP]` and back. Exactly one source is given.

    Only the vocabulary of a checkpoint is read, never code. A caption that spells '[MASK]' or '[SEP]' gets ordinary
    pieces, not the special tokens. Pickles to data loader workers.

    Args:
        vocab: the words, in lower case ('##x' continues a word); the five special tokens are put first unless they are
            there. Or a config of a function that returns them: `dict(type='shape_world_vocabulary')`.
        vocab_file: a `vocab.txt` with one piece per line; the line number, from 0, is the id.
        pretrained: a folder with `vocab.txt` or `tokenizer.json`, or a name on the Hugging Face hub
            (all-MiniLM-L6-v2 also from a package, `sacl_mm[small]`).

    Raises:
        ValueError: no or several sources, special tokens missing, duplicates, words that the tokenizer would split or
            never find, a cased or other checkpoint.
        FileNotFoundError: the file is not there, or the hub cannot be reached and has not been before.
    """

    def __init__(
        self, vocab: Sequence[str] | dict | None = None, vocab_file: str | None = None, pretrained: str | None = None
    ) -> None:
        sources = dict(vocab=vocab, vocab_file=vocab_file, pretrained=pretrained)
        given = [name for name, value in sources.items() if value is not None]
        if len(given) != 1:
            raise ValueError(f'a tokenizer needs exactly one of {", ".join(sources)}; got {given or "none"}')
        if isinstance(vocab, str):
            raise ValueError(
                f'vocab={vocab!r}: give a list of words, dict(type=<a function that returns them>), or vocab_file='
            )
        if vocab_file is not None:
            pieces, origin = _read_vocab_file(vocab_file), vocab_file
        elif pretrained is not None:
            pieces, origin = _read_checkpoint(pretrained), pretrained
        else:
            words = list(_build(vocab) if isinstance(vocab, dict) else vocab or ())
            pieces = words if set(SPECIAL_TOKENS) & set(words) else [*SPECIAL_TOKENS, *words]
            origin = 'vocab'
        ids = {piece: number for number, piece in enumerate(pieces)}
        if len(ids) != len(pieces):
            twice = sorted({piece for number, piece in enumerate(pieces) if ids[piece] != number})
            raise ValueError(f'{origin}: {len(twice)} words occur twice: {twice[:5]}')
        absent = [token for token in SPECIAL_TOKENS if token not in ids]
        if absent:
            raise ValueError(f'{origin}: the special tokens {absent} are missing')
        self.vocab_size = len(pieces)
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = (ids[token] for token in SPECIAL_TOKENS)
        self._tokenizer = Tokenizer(WordPiece(ids, unk_token='[UNK]', max_input_chars_per_word=100))
        self._tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        self._tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        self._tokenizer.decoder = decoders.WordPiece()
        if vocab is not None:
            self._check_words(ids)

    def _check_words(self, ids: dict[str, int]) -> None:
        lost = [
            word
            for word, number in ids.items()
            if word not in SPECIAL_TOKENS and not word.startswith('##') and self._pieces(word) != [number]
        ]
        if lost:
            raise ValueError(
                f'vocab: {len(lost)} words can never be found, as text is lower-cased and split at spaces '
                f'and punctuation first: {lost[:5]}'
            )

    def _pieces(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def encode(self, text: str, max_length: int | None = None) -> list[int]:
        """`[CLS] pieces [SEP]`; with `max_length` (>= 3, counting both) the last pieces are cut, never the [SEP]."""
        if max_length is not None and max_length < 3:
            raise ValueError(f'max_length must leave room for [CLS], a piece and [SEP]; got {max_length}')
        return [self.cls_id, *self._pieces(text)[: max_length and max_length - 2], self.sep_id]

    def save(self, path: str | os.PathLike) -> None:
        """A `tokenizer.json` of the tokenizers library, which gives the pieces without [CLS] and [SEP]."""
        self._tokenizer.save(os.fspath(path))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids (also of an array or tensor) without [PAD], [CLS] and [SEP]."""
        silent = {self.pad_id, self.cls_id, self.sep_id}
        return self._tokenizer.decode([int(i) for i in ids if int(i) not in silent], skip_special_tokens=False)


def _build(cfg: dict) -> Any:
    # Names are looked up in this library, whichever library's config they stand in.
    return TASK_UTILS.build(dict(cfg, _scope_='sacl_mm'))


def _read_vocab_file(path: str) -> list[str]:
    if not os.path.isfile(path):
        raise FileNotFoundError(f'vocab_file {path} does not exist')
    with open(path, encoding='utf-8', newline='\n') as file:
        return file.read().replace('\r\n', '\n').rstrip('\n').split('\n')


def _read_checkpoint(pretrained: str) -> list[str]:
    folder = pretrained if os.path.isdir(pretrained) else packaged(pretrained) or _download(pretrained)
    vocab, tokenizer, config = (os.path.join(folder, name) for name in _CHECKPOINT_FILES)
    if os.path.isfile(config) and _load_json(config).get('do_lower_case') is False:
        raise ValueError(
            f'{pretrained} is a cased checkpoint (do_lower_case=false in its tokenizer_config.json); '
            'text is lower-cased here, choose an uncased one'
        )
    if os.path.isfile(vocab):
        return _read_vocab_file(vocab)
    if not os.path.isfile(tokenizer):
        raise FileNotFoundError(f'{folder} has neither vocab.txt nor tokenizer.json')
    model = _load_json(tokenizer).get('model', {})
    if model.get('type') != 'WordPiece':
        raise ValueError(f'{tokenizer}: expected a WordPiece model, got {model.get("type")}')
    return sorted(model['vocab'], key=model['vocab'].get)


def _download(name: str) -> str:
    from huggingface_hub import snapshot_download

    try:
        return snapshot_download(name, allow_patterns=list(_CHECKPOINT_FILES))
    except Exception as error:  # whatever the network underneath raises; its kinds differ between versions
        raise FileNotFoundError(
            f'pretrained={name!r} is no folder here, and it could not be downloaded from the Hugging Face hub '
            f'({type(error).__name__}: {str(error).splitlines()[0]}). Give pretrained=<a folder with vocab.txt or '
            'tokenizer.json> or vocab_file=<vocab.txt>'
        ) from error


def _load_json(path: str) -> dict:
    with open(path, encoding='utf-8') as file:
        return json.load(file)
