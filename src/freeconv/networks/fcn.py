"""The free convolutional network: that of Table A.2 with a kernel of its own at every position."""

from freeconv.architectures.layers import Free
from freeconv.architectures.table_a2 import table_a2
from freeconv.networks import NETWORKS, Network

NETWORKS.add(Network(name="fcn", layers=table_a2(Free), order=2, title="FCN"))
