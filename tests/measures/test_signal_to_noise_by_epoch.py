from dataclasses import replace

import numpy as np

from freeconv.measures import FreeLayer, measured
from freeconv.measures.signal_to_noise import signal_to_noise
from tests.measures.made import random_kernels, trained_on


def test_every_snapshot_has_the_rows_of_the_ratio():
    kernels = random_kernels(3 * 9).reshape(3, 9, 6, 3)
    network = trained_on([FreeLayer("free_1", kernels[-1], (3, 3))])
    network = replace(network, snapshots={"free_1": (np.array([0, 1, 5]), kernels)})
    rows = measured(["signal_to_noise_by_epoch", "signal_to_noise"], network)
    for number, epoch in enumerate((0, 1, 5)):
        ratio = signal_to_noise(kernels[number])
        expected = [
            ("signal_to_noise_by_epoch", "free_1", epoch, name, value) for name, value in ratio._asdict().items()
        ]
        assert rows[3 * number : 3 * number + 3] == expected
    assert [row[4] for row in rows[9:]] == [row[4] for row in rows[6:9]]


def test_a_run_without_snapshots_has_no_rows():
    assert measured(["signal_to_noise_by_epoch"], trained_on([FreeLayer("free_1", random_kernels(9), (3, 3))])) == []
