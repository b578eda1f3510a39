"""Do neural networks need weight sharing? Free convolutional networks against convolutional ones.

The package imports without Snakemake, DVC and TensorFlow; Keras is imported only by the modules that
build or train networks (``freeconv.layers``, ``freeconv.networks``, ``freeconv.train``).
"""

__version__ = "0.1.0"
