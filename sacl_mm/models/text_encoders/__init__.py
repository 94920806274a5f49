"""Text encoders."""

from sacl_mm.models.text_encoders.bert import BertTextEncoder

__all__ = ['BertTextEncoder']
