"""Models and their parts."""

from sacl_mm.models.losses import *  # noqa: F403
