"""Do neural networks need weight sharing? Free convolutional networks against convolutional ones.

The package imports without Snakemake, DVC and TensorFlow; Keras is imported only by what builds or trains networks
(`freeconv.layers`, `freeconv.architectures.build`, `freeconv.training`). docs/architecture.md shows all rooms.
"""

__version__ = "0.1.0"
