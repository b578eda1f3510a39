"""Keras layers without weight sharing. They need Keras and NumPy alone."""

from freeconv.layers.base_free_conv import field_channels_last
from freeconv.layers.free_conv_1d import FreeConv1D
from freeconv.layers.free_conv_2d import FreeConv2D
from freeconv.layers.free_conv_3d import FreeConv3D
from freeconv.layers.locally_connected_1d import LocallyConnected1D
from freeconv.layers.locally_connected_2d import LocallyConnected2D
from freeconv.layers.patch_conv_2d import PatchConv2D

__all__ = [
    "FreeConv1D",
    "FreeConv2D",
    "FreeConv3D",
    "LocallyConnected1D",
    "LocallyConnected2D",
    "PatchConv2D",
    "field_channels_last",
]
