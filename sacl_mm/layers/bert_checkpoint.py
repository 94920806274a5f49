"""Reading a BERT checkpoint, which the text encoder and the fusion encoder share between them."""

import os

from transformers import BertModel


def load_bert(checkpoint: str, num_layers: int | None = None) -> BertModel:
    """A BERT from a local folder or the hub, with its first `num_layers` layers, or all.

    Raises:
        FileNotFoundError: there is none; says what to do.
    """
    options = {} if num_layers is None else dict(num_hidden_layers=num_layers)
    try:
        return BertModel.from_pretrained(checkpoint, add_pooling_layer=False, **options)
    except (OSError, ValueError) as error:
        where = 'a folder without a BERT checkpoint' if os.path.isdir(checkpoint) else 'no folder, nor found on the hub'
        raise FileNotFoundError(
            f"BERT checkpoint '{checkpoint}' is {where}. Give a folder with config.json and model.safetensors "
            f'(or pytorch_model.bin), or None to start from random weights.'
        ) from error
