"""Vision-language pre-training that does not punish a model for being right about false negatives."""

from sacl_mm.compatibility import declare_missing_torchvision_operators

__version__ = '0.1.0'

# Before anything imports torchvision.
declare_missing_torchvision_operators()
