import time

import pytest

from freeconv.augmentations import metrics
from freeconv.planning import speed
from freeconv.planning.speed import Workload
from freeconv.study import grid
from freeconv.study.params import check_params


def test_folds_of_unequal_sizes_are_those_of_training():
    from freeconv.data.batches import epoch_batches
    from freeconv.data.folds import fold_index

    for images in (61, 60, 64):
        params = check_params({"train": {"folds": 5, "batch": 7}})
        for run in grid.runs(params):
            trained, evaluated = speed.epoch_images(run, images)
            assert trained == epoch_batches(run, images, 0).size
            trained_on, held_out = fold_index(images, run.folds, run.fold)
            assert evaluated == (len(metrics(run.evaluate)) - 2) * len(held_out) + len(trained_on)


def test_a_stack_that_does_not_fit_is_split(monkeypatch):
    sizes = []

    def limited(wanted, classes, replicas, start_up):
        sizes.append(replicas)
        if replicas > 2:
            raise MemoryError
        return "speed"

    monkeypatch.setattr(speed, "timed_speed", limited)
    assert speed.fitting_speed(None, 10, 9, 0.0) == "speed"
    assert sizes == [9, 5, 3, 2]
    monkeypatch.setattr(speed, "timed_speed", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        speed.fitting_speed(None, 10, 9, 0.0)


@pytest.mark.parametrize("replicas", [None, 2])
def test_timed_steps_take_the_time_they_take(replicas, monkeypatch):
    monkeypatch.setattr(speed, "STEPS", 2)
    monkeypatch.setattr(speed, "TIMED_IMAGES", 100)
    begin = time.process_time()
    found = speed.timed_speed(Workload((16, 16, 1), "cnn", 2, 8, "float32", 5), 3, replicas, 100.0)
    passed = time.process_time() - begin
    assert min(found.train, found.evaluate, found.run) > 0
    assert 100 < found.job < 100 + passed
    number = replicas or 1
    assert speed.ROUNDS // 2 * number * (2 * 8 * found.train + 100 * found.evaluate) < passed
