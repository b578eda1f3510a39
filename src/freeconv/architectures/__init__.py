"""Architectures: the layers that networks are lists of, their sizes, and the Keras models they become."""
