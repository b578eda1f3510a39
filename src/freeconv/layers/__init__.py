"""Keras layers of the study's networks."""

from freeconv.layers.free_conv_2d import FreeConv2D
from freeconv.layers.patch_conv_2d import PatchConv2D

__all__ = ["FreeConv2D", "PatchConv2D"]
