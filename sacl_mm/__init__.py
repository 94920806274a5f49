"""Vision-language pre-training that does not punish a model for being right about false negatives."""

from sacl_mm.compatibility import add_to_mmengine_hub, prepare_for_torchvision

__version__ = '0.1.0'

prepare_for_torchvision()
add_to_mmengine_hub()
