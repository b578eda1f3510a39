from collections import Counter

import numpy as np
import pytest

from freeconv.measures.prediction_kept import kept, rows
from tests.measures.made import Halves, random_images, sharing_network, trained_on


def test_it_equals_counts():
    rng = np.random.default_rng(0)
    before, after = rng.integers(0, 4, (2, 50))
    same, chance = kept(before, after)
    assert same == sum(one == other for one, other in zip(before.tolist(), after.tolist(), strict=True)) / 50
    first, second = Counter(before.tolist()), Counter(after.tolist())
    assert chance == pytest.approx(sum(first[number] * second[number] for number in range(4)) / 2500)


def test_a_network_that_says_one_class_keeps_all_and_chance_says_so():
    assert kept(np.full(5, 3), np.full(5, 3)) == (1.0, 1.0)
    assert kept(np.full(5, 3), np.full(5, 1)) == (0.0, 0.0)


def test_rows_name_way_and_setting():
    images = np.zeros((4, 16, 16, 1), "float32")
    images[:, :, 9] = 1  # a line in the right half: class 1, and left of the middle after a shift by a quarter: class 0
    found = list(rows(trained_on(model=Halves(), images=images, shifts=[0.0, -0.25], angles=[180.0])))
    values = {(row.statistic, row.setting): row.value for row in found}
    assert values["right", 0.0] == values["down", -0.25] == values["right_chance", 0.0] == 1
    assert values["right", -0.25] == values["right_chance", -0.25] == values["angle", 180.0] == 0
    assert len(found) == 10


def test_a_network_made_from_a_convolutional_one_says_the_same_of_moved_images():
    fcn, cnn = sharing_network()
    settings = {"shifts": [-0.25, 0.1], "angles": [30.0]}
    ours, theirs = (
        [row.value for row in rows(trained_on(model=model, images=random_images(40), **settings))]
        for model in (fcn, cnn)
    )
    assert ours == theirs
