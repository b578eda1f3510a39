import numpy as np

from freeconv.images import edge_noise, noise, rotate, translate
from freeconv.seeds import random_stream
from freeconv.study import grid
from freeconv.study.params import check_params
from freeconv.data.evaluation_sets import evaluation_sets


def test_evaluation_sets_are_the_augmentations():
    images = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 1), dtype="uint8")
    run = next(grid.runs(check_params({"aug": {"translate": 0.2}})))
    sets = evaluation_sets(images, run)
    assert list(sets) == ["val_acc", "translate_acc", "rotate_acc", "noise_acc", "edge_noise_acc", "swap_acc"]
    scaled = images.astype("float32") / 255

    def rng(name):
        return random_stream(0, "evaluate", "mnist-5k", 5, 0, name)

    for name, expected in {
        "val_acc": scaled,
        "translate_acc": translate(scaled, 0.25, rng("translate")),
        "rotate_acc": rotate(scaled, 45 / 360, rng("rotate")),
        "noise_acc": noise(scaled, 0.15, rng("noise")),
        "edge_noise_acc": edge_noise(scaled, 0.15, rng("edge_noise")),
    }.items():
        stored = sets[name] / np.float32(255) if sets[name].dtype == "uint8" else sets[name]
        np.testing.assert_allclose(stored, expected, atol=0.002, err_msg=name)
    np.testing.assert_array_equal(sets["swap_acc"][:, :8, 8:], images[:, 8:, :8])
    # another network and level sees the same images, another fold others
    other = evaluation_sets(images, run.model_copy(update={"network": "fcn", "level": 0.4}))
    np.testing.assert_array_equal(other["noise_acc"], sets["noise_acc"])
    assert (evaluation_sets(images, run.model_copy(update={"fold": 1}))["noise_acc"] != sets["noise_acc"]).any()
