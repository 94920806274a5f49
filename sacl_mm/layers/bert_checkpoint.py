"""Reads a BERT checkpoint, for the text encoder and the fusion encoder."""

import os
from typing import Any

from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertModel
from transformers.utils import logging

from sacl_mm.checkpoints import CheckpointError, check_finite_weights, read_state_dict
from sacl_mm.checkpoints.packaged import packaged

_FILES = ('model.safetensors', 'pytorch_model.bin')  # the first that is there


def load_bert(checkpoint: str, num_layers: int | None = None) -> BertModel:
    """A BERT from a local folder or the hub, with its first `num_layers` layers, or all.

    A folder's or package's weights are read by `read_plain`; from the hub only safetensors are loaded.

    Raises:
        FileNotFoundError: there is none; says what to do.
        UserError: the weights cannot be read as data, are not finite, or are not those of such a BERT.
    """
    checkpoint = packaged(checkpoint) or checkpoint
    options: dict[str, Any] = {} if num_layers is None else dict(num_hidden_layers=num_layers)
    paths = [os.path.join(checkpoint, name) for name in _FILES]
    path = next((path for path in paths if os.path.exists(path)), None)
    state = None if path is None else read_state_dict(path, 'BERT checkpoint')
    if state is not None:
        check_finite_weights(state, f"BERT checkpoint '{path}'")
    loading: dict[str, Any] = dict(add_pooling_layer=False, output_loading_info=True)
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # it lists weights that are left out on purpose; those that are missing are checked below
    try:
        if os.path.isdir(checkpoint):
            if state is None:
                raise OSError(f'no {" or ".join(_FILES)}')
            config = BertConfig.from_pretrained(checkpoint, **options)
            model, found = BertModel.from_pretrained(None, config=config, state_dict=state, **loading)
        else:
            model, found = BertModel.from_pretrained(checkpoint, use_safetensors=True, **loading, **options)
    except RuntimeError as error:  # shapes
        raise CheckpointError(f"BERT checkpoint '{checkpoint}' does not fit: {' '.join(str(error).split())}") from error
    except (OSError, ValueError) as error:
        where = 'a folder without a BERT checkpoint' if os.path.isdir(checkpoint) else 'no folder, nor found on the hub'
        raise FileNotFoundError(
            f"BERT checkpoint '{checkpoint}' is {where}. Give a folder with config.json and model.safetensors "
            f'(or pytorch_model.bin), or None to start from random weights.'
        ) from error
    finally:
        logging.set_verbosity(verbosity)
    missing = sorted(found['missing_keys'])
    if missing:  # transformers would go on with random weights
        raise CheckpointError(
            f"BERT checkpoint '{checkpoint}' lacks {len(missing)} weights of {model.config.num_hidden_layers} layers of BERT, "
            f'the first is {missing[0]}'
        )
    return model
