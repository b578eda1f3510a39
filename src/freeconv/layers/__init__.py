"""Keras layers without weight sharing."""

from freeconv.layers.free_conv_2d import FreeConv2D

__all__ = ["FreeConv2D"]
