import pandas as pd
import pytest

from freeconv.report.answer import Dial, answer, dials, verdict_on_the_run
from tests.made_study import small_params

MEDIANS = {
    ("0", "fcn", "translate_acc"): 0.3,
    ("0.4", "fcn", "translate_acc"): 0.95,
    ("0", "cnn", "translate_acc"): 0.32,
    ("0.4", "cnn", "translate_acc"): 0.97,
    ("0.4", "fcn", "untrained_distance_radius_1"): 0.1,
    ("0.4", "fcn", "distance_radius_1"): 0.08,
}
# What three folds say: accuracies whose differences have a standard deviation of 0.001, changes with one of 0.02.
FOLDS = {
    ("0.4", "fcn", "translate_acc"): pd.Series([0.94, 0.95, 0.96]),
    ("0.4", "cnn", "translate_acc"): pd.Series([0.961, 0.970, 0.979]),
    ("0.4", "fcn", "change_distance_radius_1"): pd.Series([-0.18, -0.2, -0.22]),
}
COMPARED = ["augmentation", "level", "network", "metric", "ours", "paper"]


def judged(*verdicts, failed=""):
    """Return tested claims with verdicts."""
    rows = [("primary", verdict, failed) for verdict in verdicts]
    return pd.DataFrame([*rows, ("exploratory", "exploratory", "")], columns=["family", "verdict", "failed"])


def compared(*rows):
    """Return rows of the paper's tables."""
    return pd.DataFrame(rows, columns=COMPARED)


PAPER = compared(
    ("translate", 0.0, "fcn", "translate_acc", 0.3, 0.37),
    ("translate", 0.4, "fcn", "translate_acc", 0.95, 0.98),
    ("translate", 0.4, "cnn", "translate_acc", 0.97, 0.99),
    ("translate", 0.9, "cnn", "translate_acc", float("nan"), 0.99),
)


def test_three_sentences():
    found = answer(small_params(), judged(*["supported"] * 4, "contradicted", "not run"), PAPER, MEDIANS, {})
    assert found == [
        "Of the paper's 6 tested claims these runs support 4 and contradict 1; open: 1.",
        "Of translated images of mnist-5k, the FCN recognises 30.0 % when trained without translation and 95.0 % when "
        "trained with 40 % translation (the paper: 37.0 and 98.0 %), the CNN 32.0 % and 97.0 %.",
        "Trained with 40 % translation, the FCN is 2.0 points below the CNN (the paper: 1.0 points below it), and its "
        "neighbouring kernels, which nothing ties, end 20.0 % closer than they began.",
    ]


def test_differences_are_shown_with_their_intervals():
    *_, difference = answer(small_params(), judged("not run"), PAPER, MEDIANS, FOLDS)
    half, of_change = (100 * 4.302652729749464 * spread / 3**0.5 for spread in (0.001, 0.02))  # t of two degrees
    assert difference == (
        f"Trained with 40 % translation, the FCN is 2.0 ± {half:.1f} points below the CNN (the paper: 1.0 points below "
        f"it), and its neighbouring kernels, which nothing ties, end 20.0 ± {of_change:.1f} % closer than they began; "
        "±: 95 % over folds."
    )


def test_differences_that_folds_do_not_show_are_not_claimed():
    close = MEDIANS | {("0.4", "fcn", "translate_acc"): 0.969, ("0.4", "fcn", "distance_radius_1"): 0.099}
    *_, difference = answer(small_params(), judged("not run"), PAPER, close, FOLDS)
    assert difference == (
        "Trained with 40 % translation, the FCN is not clearly above or below the CNN (−0.1 ± 0.2 points; the paper: "
        "1.0 points below it), and its neighbouring kernels, which nothing ties, end neither clearly closer nor "
        "further apart than they began (−1.0 ± 5.0 %); ±: 95 % over folds."
    )


def test_among_more_networks_the_answer_is_about_the_papers_two():
    params = small_params(train={"networks": ["cnn", "fcn_from_cnn", "fcn"]})
    runs = judged("not run")
    assert answer(params, runs, PAPER, MEDIANS, FOLDS) == answer(small_params(), runs, PAPER, MEDIANS, FOLDS)
    others = small_params(train={"networks": ["cnn", "mlp"]})
    assert "the CNN recognises" in answer(others, runs, PAPER, MEDIANS, {})[1]


@pytest.mark.parametrize(("decided", "how_much", "few"), [(0, "Nothing", "none"), (2, "Little", "only 2")])
def test_with_fewer_than_three_decided_little_is(decided, how_much, few):
    first, *_ = answer(small_params(), judged(*["supported"] * decided, "not run", "not tested"), PAPER, MEDIANS, {})
    assert first.startswith(f"{how_much} is decided yet: ")
    assert first.endswith(f"decides {few}.")


def test_of_nothing_nothing_is_said():
    found = answer(small_params(), judged(), compared(), {}, {})
    assert found[0].startswith("The paper makes no claims about datasets such as these")
    assert found[1] == "No accuracy on translated images was recorded."
    assert found[2] == "There is one network alone, with nothing beside it."


def test_one_level_and_one_network():
    params = small_params(aug={"translate": [0.4]}, train={"networks": ["fcn"]})
    _, accuracy, difference = answer(params, judged(), compared(), MEDIANS, {})
    assert accuracy.endswith("the FCN recognises 95.0 % when trained with 40 % translation.")
    assert difference == "Trained with 40 % translation, neighbouring kernels end 20.0 % closer than they began."


def test_dials_stand_beside_the_protocol():
    assert dials(small_params(), "mnist-5k", 5000, PAPER) == [
        Dial("Images", "5,000 of 70,000", 5000 / 70000),
        Dial("Epochs", "4 of 250", 4 / 250),
        Dial("Levels of translation", "2 of 3", 2 / 3),
        Dial("Folds", "3 of 5", 3 / 5),
        Dial("Seeds a fold", "1", None),
    ]
    assert dials(small_params(), "mine", None, compared())[0] == Dial("Images", "not known", None)


def test_what_a_run_can_decide():
    found = verdict_on_the_run(small_params(), judged("inconclusive", "not tested", failed="epochs: 4 of 75"), {})
    assert found == [
        "A study of this size can decide 1 of the 2 tested claims.",
        "What the others lack: more epochs (1).",
        "mnist-5k is not the paper's own images, and can contradict nothing.",
    ]
    assert verdict_on_the_run(small_params(), judged(), {}) == []
