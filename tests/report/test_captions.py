from pathlib import Path

import pandas as pd
import pytest

from freeconv.report.captions import drawing_caption, figure_caption, made_from
from freeconv.study import grid
from tests.made_study import small_params

EVERYTHING = small_params(
    data={"datasets": ["mnist", "cifar10"]},
    aug={name: [0, 0.1] for name in ("translate", "rotate", "noise", "edge_noise")},
    vcp={"levels": [0, 0.5], "translate": [0.2]},
)


def drawings(params):
    """Return the names of all drawings."""
    return sorted({Path(path).stem for path in grid.drawing_files(params)})


def test_every_picture_has_a_caption():
    captions = [figure_caption("mnist", subject, name) for subject, name in grid.figures(EVERYTHING)]
    captions += [drawing_caption(name) for name in drawings(EVERYTHING)]
    assert len(captions) == 4 * 9 + 4 + 2 * 6 + 2
    assert all(len(alt) > 30 and caption.endswith(".") for alt, caption in captions)


# Ott et al. 2019: the list of its figures
PAPER = {
    ("mnist", "translate", "accuracy"): "3",
    ("cifar10", "translate", "accuracy"): "4",
    ("mnist", "translate", "distance"): "5",
    ("mnist", "none", "swap"): "6",
    ("mnist", "rotate", "distance"): "B.6",
    ("mnist", "noise", "distance"): "B.7",
    ("mnist", "vcp", "accuracy-0.2"): "C.1",
    ("cifar10", "vcp", "accuracy-0.2"): "C.2",
}


@pytest.mark.parametrize("dataset", ["mnist", "cifar10"])
def test_figures_name_those_of_the_paper(dataset):
    for subject, name in grid.figures(EVERYTHING):
        _, caption = figure_caption(dataset, subject, name)
        number = PAPER.get((dataset, subject, name))
        assert (f"The paper's Figure {number}." in caption) if number else ("The paper's Figure" not in caption)


def test_figures_of_other_datasets_name_none():
    assert "The paper's" not in figure_caption("flowers", "translate", "accuracy").text
    assert "The paper's Figure 4." in figure_caption("cifar10-jpeg", "translate", "accuracy").text
    assert "The paper's Figure 3." in figure_caption("mnist-5k", "translate", "accuracy").text


def test_drawings_name_those_of_the_paper():
    found = {name: drawing_caption(name).text.rpartition(" ")[2] for name in drawings(EVERYTHING)}
    numbers = {"edge_noise": "B.1.", "noise": "B.2.", "rotate": "B.4.", "swap": "B.3.", "translate": "2."}
    assert found == {
        "free-layer": "1.",
        "radii": "B.5.",
        **{f"{dataset}-classes": "class." for dataset in ("mnist", "cifar10")},
        **{f"{dataset}-{kind}": number for dataset in ("mnist", "cifar10") for kind, number in numbers.items()},
    }


def test_level_of_missing_connections_is_said():
    assert "trained at translation 0.3" in figure_caption("mnist", "vcp", "accuracy-0.3").text


def test_unknown_pictures_are_refused():
    with pytest.raises(ValueError, match=r"Received: name='loss'"):
        figure_caption("mnist", "translate", "loss")
    with pytest.raises(ValueError, match=r"Received: name='mnist-blur'"):
        drawing_caption("mnist-blur")


def test_a_caption_says_what_is_found_and_what_it_is_made_from():
    runs = pd.DataFrame({"fold": [0, 1, 0, 1], "seed": [0, 0, 1, 1], "epochs": [6, 6, 6, 4]})
    made = made_from(runs, 5000)
    assert made == "2 folds, 2 seeds, 5,000 images, 4 to 6 epochs."
    text = figure_caption("mnist", "translate", "accuracy", "It rises.", made).text
    assert text.startswith("It rises. Accuracy by epoch")
    assert text.endswith(f"The paper's Figure 3. {made}")
    assert made_from(runs[:1]) == "1 fold, 1 seed, 6 epochs."
    assert made_from(runs[:0]) == ""
