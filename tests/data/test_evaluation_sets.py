import numpy as np

from freeconv.augmentations.edge_noise import edge_noise
from freeconv.augmentations.rotate import rotate
from freeconv.augmentations.translate import translate
from freeconv.data.evaluation_sets import CLEAN_IMAGES, clean_sample, evaluation_sets
from freeconv.data.folds import fold_index
from freeconv.images import add_noise
from freeconv.seeds import random_stream
from freeconv.study import grid
from freeconv.study.params import check_params


def sets_of(images, run):
    """Return the evaluation sets of a run."""
    return evaluation_sets(images, run.dataset, run.folds, run.fold, run.evaluate, run.forms, run.seed)


def test_evaluation_sets_are_the_augmentations():
    images = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 1), dtype="uint8")
    run = next(grid.runs(check_params({"aug": {"translate": 0.2}})))
    sets = sets_of(images, run)
    assert list(sets) == ["val_acc", "translate_acc", "rotate_acc", "noise_acc", "edge_noise_acc", "swap_acc"]
    scaled = images.astype("float32") / 255

    def rng(name):
        return random_stream(0, "evaluate", "mnist-5k", 5, 0, name)

    for name, expected in {
        "val_acc": scaled,
        "translate_acc": translate(scaled, 0.25, rng("translate")),
        "rotate_acc": rotate(scaled, 45 / 360, rng("rotate")),
        "noise_acc": add_noise(scaled, 0.15, rng("noise")),
        "edge_noise_acc": edge_noise(scaled, 0.15, rng("edge_noise")),
    }.items():
        stored = sets[name] / np.float32(255) if sets[name].dtype == "uint8" else sets[name]
        np.testing.assert_allclose(stored, expected, atol=0.002, err_msg=name)
    np.testing.assert_array_equal(sets["swap_acc"][:, :8, 8:], images[:, 8:, :8])
    # another network and level sees the same images, another fold others
    other = sets_of(images, run.model_copy(update={"network": "fcn", "level": 0.4}))
    np.testing.assert_array_equal(other["noise_acc"], sets["noise_acc"])
    assert (sets_of(images, run.model_copy(update={"fold": 1}))["noise_acc"] != sets["noise_acc"]).any()


def test_forms_are_those_of_the_run():
    images = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 1), dtype="uint8")
    sets = evaluation_sets(images, "a", 5, 2, {"edge_noise": 0.3, "rotate": 90.0}, {"edge_noise": "authors"}, 1)
    assert list(sets) == ["val_acc", "rotate_acc", "edge_noise_acc", "swap_acc"]
    scaled = images.astype("float32") / 255
    expected = edge_noise(scaled, 0.3, random_stream(1, "evaluate", "a", 5, 2, "edge_noise"), form="authors")
    np.testing.assert_array_equal(sets["edge_noise_acc"], expected.astype("float16"))


def test_a_limit_is_of_what_is_changed_and_takes_the_first_images():
    images = np.random.default_rng(0).integers(0, 256, (7, 16, 16, 1), dtype="uint8")
    strengths = {"translate": 0.25, "noise": 0.15}
    whole = evaluation_sets(images, "a", 5, 2, strengths, {}, 1)
    limited = evaluation_sets(images, "a", 5, 2, strengths, {}, 1, 4)
    assert {name: len(of) for name, of in limited.items()} == {
        "val_acc": 7,
        "translate_acc": 4,
        "noise_acc": 4,
        "swap_acc": 4,
    }
    for name, of in limited.items():
        np.testing.assert_array_equal(of, whole[name][: len(of)], err_msg=name)
    assert {
        name: len(of) for name, of in evaluation_sets(images, "a", 5, 2, strengths, {}, 1, 99).items()
    } == dict.fromkeys(whole, 7)


def test_nothing_else_is_evaluated_than_what_is_named():
    images = np.zeros((3, 8, 8, 1), "uint8")
    assert list(evaluation_sets(images, "a", 5, 2, {}, {}, 0)) == ["val_acc", "swap_acc"]


def test_the_clean_sample_is_of_the_training_folds_and_the_same_each_time():
    train_index, _ = fold_index(5000, 5, 2)
    sample = clean_sample(train_index, "mnist", 5, 2, 0)
    assert len(sample) == len(set(sample)) == CLEAN_IMAGES
    assert set(sample) <= set(train_index)
    assert (np.diff(sample) > 0).all()
    assert (clean_sample(train_index, "mnist", 5, 2, 0) == sample).all()
    assert (clean_sample(train_index, "mnist", 5, 2, 1) != sample).any()
    assert (clean_sample(train_index[:7], "mnist", 5, 2, 0) == train_index[:7]).all()
