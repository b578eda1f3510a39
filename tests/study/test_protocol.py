from pathlib import Path

from freeconv.study.params import check_params, load_params
from freeconv.study.protocol import protocol

ROOT = Path(__file__).parents[2]


def test_the_papers_protocol_differs_in_nothing():
    params = check_params(
        {
            "data": {"datasets": ["mnist", "cifar10"]},
            "aug": {"copies": 500},
            "train": {
                "epochs": 250,
                "overrides": {"cifar10": {"epochs": 500, "patience": 100, "batch": 128, "learning_rate": 0.0001}},
            },
        }
    )
    assert protocol(params, "mnist") == protocol(params, "cifar10") == []


def test_the_preset_of_the_paper_differs_in_its_stored_passes_only():
    params = load_params(ROOT / "params/paper.yaml")
    for dataset in ("mnist", "cifar10"):
        assert protocol(params, dataset) == [
            f"{params.aug.copies} augmented passes in turn instead of a new one each epoch"
        ]


def test_passes_differ_in_nothing_where_no_image_is_augmented():
    aug = {"translate": [0], "rotate": [], "noise": [], "edge_noise": [], "copies": 4}
    for shares, differs in ([], False), ([0.8], True):
        params = check_params(
            {"data": {"datasets": ["mnist"]}, "aug": aug, "vcp": {"levels": shares, "translate": 0.2}}
            | {"train": {"epochs": 75, "networks": ["fcn"]}}
        )
        found = protocol(params, "mnist")
        assert found[0] == "75 epochs instead of 250"
        assert ("4 augmented passes in turn instead of a new one each epoch" in found) == differs


def test_a_smaller_protocol_in_words():
    params = check_params(
        {
            "data": {"datasets": ["mnist-5k"]},
            "aug": {"forms": {"rotate": "keras-2018"}},
            "train": {
                "epochs": 6,
                "patience": 3,
                "held_out": [1, 0],
                "batch": 128,
                "learning_rate": 0.002,
                "precision": "bfloat16",
                "initializer": "glorot-position",
            },
            "evaluate": {"translate": 0.1, "rotate": 45, "noise": 0.15, "edge_noise": 0.15},
            "report": {"aggregate": "final"},
        }
    )
    assert protocol(params, "mnist-5k") == [
        "5,000 images instead of 70,000",
        "6 epochs instead of 250",
        "patience 3 instead of 50",
        "folds 0 and 1 of 5",
        "batch 128 instead of 256",
        "learning rate 0.002 instead of 0.001",
        "4 augmented passes in turn instead of a new one each epoch",
        "initializer glorot-position instead of glorot-authors",
        "precision bfloat16 instead of float32",
        "evaluate.translate 0.1 instead of 0.25",
        "aug.forms.rotate keras-2018 instead of center",
        "medians over the final epoch of each fold instead of all epochs",
    ]


def test_folds_in_words():
    for train, expected in [
        ({"folds": 3}, ["3 folds instead of 5"]),
        ({"folds": 5, "held_out": [4]}, ["fold 4 of 5"]),
        ({"folds": 4, "held_out": [0, 1, 3]}, ["4 folds instead of 5", "folds 0, 1 and 3 of 4"]),
    ]:
        params = check_params(
            {"data": {"datasets": ["mnist"]}, "aug": {"copies": 500}, "train": {"epochs": 250, **train}}
        )
        assert protocol(params, "mnist") == expected


def test_images_of_a_folder():
    params = check_params({"data": {"datasets": ["cifar10-jpeg"], "folders": {"cifar10-jpeg": "."}}})
    assert protocol(params, "cifar10-jpeg")[0] == "JPEG-coded images"
    assert protocol(params, "cifar10-jpeg", images=60_000)[0] == "JPEG-coded images"
    assert protocol(params, "cifar10-jpeg", images=1_000)[0] == "1,000 images instead of 60,000"


def test_limited_images():
    params = check_params({"data": {"datasets": ["mnist", "mnist-5k"], "limit": 6_000}})
    assert protocol(params, "mnist")[0] == "6,000 images instead of 70,000"
    assert protocol(params, "mnist-5k")[0] == "5,000 images instead of 70,000"


def test_a_dataset_that_stands_beside_none_of_the_papers():
    params = check_params({"data": {"datasets": ["flowers"], "folders": {"flowers": "."}}})
    assert protocol(params, "flowers", images=7) == []
