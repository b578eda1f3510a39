import math

import pandas as pd
import pytest

from freeconv.analysis.paper import COLUMNS, compare
from freeconv.networks import NETWORKS
from freeconv.report.html_tables import (
    anchor,
    calibration_table,
    checklist_table,
    class_table,
    comparison_table,
    missing_connections,
    other_medians,
    passed_over,
    quadrant_swap,
    run_count,
    run_counts,
    run_link,
    run_sums,
    search_table,
    verdict_counts,
)
from freeconv.report.numbers import MISSING
from freeconv.report.titles import network_title
from freeconv.study import grid
from tests.made_study import small_params

NAN = math.nan
PARAMS = small_params(
    data={"datasets": ["mnist"]},
    aug={"translate": [0, 0.1]},
    vcp={"levels": [0, 0.5], "translate": [0.1]},
    search={"learning_rates": [0.01, 0.001], "layers": [2, 3]},
)


def runs_of(*cells):
    """Return a table of runs: one for each dataset, network, augmentation and level."""
    return pd.DataFrame(cells, columns=["dataset", "network", "augmentation", "level"])


COUNTS = run_counts(
    runs_of(
        *[("mnist", "cnn", "none", 0.0)] * 3,
        *[("mnist", "fcn", "translate", 0.1)] * 2,
        ("mnist", "fcn-vcp-0.5", "translate", 0.1),
        ("mnist", "cnn-layers-3-rate-0.001", "none", 0.0),
    )
)


def texts(table):
    """Return a table's texts: a list for each row, its body's header first."""
    return [[body.head, *(cell.text for cell in row)] for body in table.bodies for row in body.rows]


def test_names_of_networks():
    assert network_title("fcn") == "FCN"
    assert network_title("fcn-vcp-0.3") == "FCN, 0.3 missing"
    assert network_title("cnn-layers-2-rate-0.01") == "CNN, 2 layers, rate 0.01"


def test_runs_of_a_cell():
    assert anchor("mnist-5k", "fcn", "translate", 0.2) == "mnist-5k-fcn-translate-0.2"
    for augmentation in ("none", "translate", "rotate"):  # level 0 is trained once
        assert run_link(COUNTS, "mnist", "cnn", augmentation, 0.0) == "runs.html#mnist-cnn-none-0"
        assert run_count(COUNTS, "mnist", "cnn", augmentation, 0.0).text == "3"
    assert run_count(COUNTS, "mnist", "cnn", "rotate", 0.1) == ("0", "", False)


@pytest.fixture
def compared():
    ours = {("cnn", 0.0): 0.99, ("cnn", 0.1): 0.98, ("fcn", 0.1): 0.97}
    rows = [("mnist", "translate", level, network, "val_acc", value, 2) for (network, level), value in ours.items()]
    medians = pd.DataFrame(rows, columns=["dataset", "augmentation", "level", "network", "metric", "median", "runs"])
    folds = [medians.assign(fold=fold, value=medians["median"] + 0.001 * fold) for fold in range(2)]
    cells = [cell for cell in grid.cells(PARAMS) if cell.network in NETWORKS]
    return compare(cells, grid.metrics(PARAMS), medians, pd.concat(folds))


def test_comparison_has_every_cell_of_the_paper_and_of_the_parameters(compared):
    table = comparison_table(PARAMS, "mnist", "translate", compared, COUNTS)
    assert [title for title, _ in table.groups if title] == ["Training", "Validation", "Translated"]
    rows = {(row[0], row[1]): row[2:] for row in texts(table)}
    assert list(rows) == [
        (level, network)
        for level in ("0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "0.99")
        for network in ("CNN", "FCN")
    ]
    # Table 1 has 0.990536 and 0.991857; t of one degree of freedom is 12.7062, s of 0 and 0.001 is 0.001 / √2
    assert rows["0", "CNN"][5:9] == ["99.00", "0.64", "99.05", "−0.05"]
    assert rows["0.1", "FCN"][5:9] == ["97.00", "0.64", "99.19", "−2.19"]
    assert rows["0", "FCN"][5:9] == [MISSING, MISSING, "98.81", MISSING]
    assert rows["0.1", "FCN"][1:3] == [MISSING, MISSING]  # no training accuracy
    assert [row[0] for row in rows.values()][:4] == ["3", "0", "0", "2"]


def test_levels_without_runs_are_folded_and_counted(compared):
    table = comparison_table(PARAMS, "mnist", "translate", compared, COUNTS)
    assert [body.head for body in table.ran] == ["0", "0.1"]
    assert table.not_run == "9 of 11 levels not run: 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99"
    assert table.ran[1].anchor == "cell-mnist-translate-0.1"
    assert comparison_table(PARAMS, "mnist", "translate", compared, {}).ran == []


def test_numbers_link_to_their_runs_and_the_highest_is_bold(compared):
    table = comparison_table(PARAMS, "mnist", "translate", compared, COUNTS)
    cells = [cell for body in table.bodies for row in body.rows for cell in row[2:]]
    assert [(cell.text, cell.link) for cell in cells if cell.link] == [
        ("99.00", "runs.html#mnist-cnn-none-0"),
        ("97.00", "runs.html#mnist-fcn-translate-0.1"),  # (cnn, 0.1) has no run in COUNTS
    ]
    assert [cell.text for cell in cells if cell.bold] == ["99.00"]  # the FCN has one level only


@pytest.mark.parametrize("name", ["1", "B.1"])
def test_comparison_names_the_table_of_the_paper(name, compared):
    table = comparison_table(PARAMS, "mnist", "translate", compared.assign(table=name), COUNTS)
    assert f"the paper's (Table {name}) and the difference" in table.caption


def test_comparison_without_the_paper(compared):
    own = compared.assign(dataset="flowers", paper=NAN, difference=NAN, table=NAN)
    table = comparison_table(PARAMS, "flowers", "translate", own, {})
    assert {column.title for column in table.columns[3:]} == {"Ours", "±"}
    assert "the paper has none" in table.caption


def test_comparison_of_nothing():
    table = comparison_table(PARAMS, "mnist", "translate", pd.DataFrame(columns=COLUMNS), COUNTS)
    assert [row[0] for row in texts(table)] == ["0", "0", "0.1", "0.1"]


def test_other_medians():
    medians = {("0", "cnn", "swap_acc"): 0.5, ("0", "cnn", "rotate_acc"): NAN, ("0.1", "cnn", "swap_acc"): 0.4}
    table = other_medians(PARAMS, "mnist", "translate", medians, ["rotate_acc", "swap_acc"])
    assert texts(table) == [
        ["0", MISSING, MISSING, "50.00", MISSING],
        ["0.1", MISSING, MISSING, "40.00", MISSING],
    ]
    assert [cell.text for body in table.bodies for row in body.rows for cell in row if cell.bold] == ["50.00"]


def test_missing_connections():
    medians = {("0.1", "fcn-vcp-0.5", "val_acc"): 0.75}
    first, second = texts(missing_connections(PARAMS, "mnist", 0.1, medians, COUNTS))
    assert first == ["0", "2", *[MISSING] * 8]
    assert second == ["0.5", "1", MISSING, MISSING, "75.00", *[MISSING] * 5]


def test_quadrant_swap():
    medians = {("0", "cnn", "val_acc"): 0.9, ("0", "cnn", "swap_acc"): 0.5, ("0", "fcn", "val_acc"): 0.8}
    table = quadrant_swap(PARAMS, "mnist", "translate", medians, COUNTS)
    assert texts(table) == [["CNN", "3", "90.00", "50.00"], ["FCN", "0", "80.00", MISSING]]
    assert table.foot == ["CNN − FCN", "", "+10.00", MISSING]
    alone = small_params(aug={"translate": [0]}, train={"networks": ["fcn"]})
    assert quadrant_swap(alone, "mnist", "translate", medians, COUNTS).foot == []


def test_search_has_all_cells_and_marks_the_chosen():
    rows = [
        ("mnist", "cnn", 2, 0.01, 0.9, 0.3, 10.0, 1, False),
        ("mnist", "cnn", 3, 0.001, 0.95, 0.2, 9.5, 1, True),
    ]
    columns = ["dataset", "network", "layers", "learning_rate", "val_acc", "val_loss", "epochs", "runs", "chosen"]
    table = search_table(PARAMS, "mnist", pd.DataFrame(rows, columns=columns), COUNTS)
    absent = [MISSING, MISSING, MISSING, "0"]
    assert texts(table) == [
        ["2", "0.01", "90.00", "0.3000", "10", "0", *absent],
        ["2", "0.001", *absent, *absent],
        ["3", "0.01", *absent, *absent],
        ["3", "0.001", "95.00 ★", "0.2000", "9.5", "1", *absent],
    ]
    assert [cell.text for body in table.bodies for row in body.rows for cell in row if cell.bold] == ["95.00 ★"]
    assert "The paper chose 3 layers and 0.001" in table.caption
    assert "The paper" not in search_table(PARAMS, "flowers", pd.DataFrame(columns=columns), {}).caption


def test_sums_of_runs():
    study = runs_of(
        ("mnist", "cnn", "none", 0.0), ("mnist", "fcn", "translate", 0.1), ("mnist", "fcn", "translate", 0.2)
    ).assign(
        epochs=[10, 4, 5],
        seconds=[1000.25, 1.0, NAN],
        overhead_seconds=0.5,
        device=["b", "b", "a"],
        backend=["jax", NAN, NAN],
    )
    table = run_sums(study)
    assert texts(table) == [
        ["mnist", "CNN", "none", "1", "10", "1,000.2", "0.5", "b", "jax"],
        ["mnist", "FCN", "translate", "2", "9", "1.0", "1.0", "a, b", ""],
    ]
    assert table.foot == ["Total", "", "", "3", "19", "1,001.2", "1.5", "", ""]


def test_verdicts_are_counted_by_dataset():
    verdicts = {"mnist": ["supported", "supported", "not run"], "cifar10": ["contradicted"]}
    rows = [(dataset, verdict) for dataset, of_dataset in verdicts.items() for verdict in of_dataset]
    table = verdict_counts(pd.DataFrame(rows, columns=["dataset", "verdict"]))
    assert [column.title for column in table.columns[1:]] == [
        "✓ supported",
        "✗ contradicted",
        "? inconclusive",
        "– not tested",
        "○ not run",
        "· exploratory",
    ]
    assert texts(table) == [
        ["mnist", "2", "0", "0", "0", "1", "0"],
        ["cifar10", "0", "1", "0", "0", "0", "0"],
    ]


def dataset_rows(*rows):
    """Return rows of the table of datasets."""
    return pd.DataFrame(rows, columns=["dataset", "kind", "name", "number", "first"])


def test_images_of_each_class_and_what_was_passed_over():
    rows = dataset_rows(
        ("mine", "class", "<b>cat</b>", 3, NAN),
        ("mine", "class", "=dog", 1, NAN),
        ("mine", "passed over", "no image", 2, "a.txt, b.txt"),
    )
    table = class_table("mine", rows)
    assert texts(table) == [["<b>cat</b>", "3", "75.00"], ["=dog", "1", "25.00"]]
    assert table.foot == ["All", "4", "100.00"]
    assert texts(passed_over("mine", rows)) == [["passed over", "no image", "2", "a.txt, b.txt"]]
    assert passed_over("mine", rows[:2]).bodies == []


def test_checklist_and_calibration():
    answers = [("data", "Which?", "mine"), ("data", "How many?", NAN)]
    asked = pd.DataFrame(answers, columns=["topic", "question", "answer"])
    assert texts(checklist_table(asked)) == [["data", "Which?", "mine"], ["data", "How many?", ""]]
    columns = ["source", "dataset", "claim", "truth", "studies", "supported", "contradicted", "wrong", "allowed"]
    rows = [
        ("simulation", "mnist", "one", "at the margin", 1000, 0.9, 0.9, 0.9, 0.05),
        ("simulation", "mnist", "any of 8", "at the margin", 1000, 0.011, 0.02, 0.031, 0.05),
    ]
    table = calibration_table(pd.DataFrame(rows, columns=columns))
    assert texts(table) == [["at the margin", "mnist", "1,000", "3.10", "5.00", "1.10", "2.00"]]
