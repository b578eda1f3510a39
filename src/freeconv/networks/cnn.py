"""The convolutional network of Table A.2."""

from freeconv.architectures.layers import Convolution
from freeconv.architectures.table_a2 import table_a2
from freeconv.networks import NETWORKS, Network

NETWORKS.add(Network(name="cnn", layers=table_a2(Convolution), order=1, title="CNN"))
