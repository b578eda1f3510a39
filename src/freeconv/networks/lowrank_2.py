"""The network of Table A.2 whose kernels are mixtures of 2 that all positions share (Elsayed et al. 2020)."""

from functools import partial

from freeconv.architectures.layers import LowRank
from freeconv.architectures.table_a2 import table_a2
from freeconv.networks import NETWORKS, Network

NETWORKS.add(Network(name="lowrank_2", layers=table_a2(partial(LowRank, rank=2)), order=7, title="Rank 2"))
