import math

import pandas as pd
import pytest

from freeconv.analysis.paper import COLUMNS, compare
from freeconv.networks import NETWORKS
from freeconv.report.html_tables import (
    MISSING,
    anchor,
    comparison_table,
    missing_connections,
    other_medians,
    quadrant_swap,
    run_count,
    run_counts,
    run_link,
    run_sums,
    search_table,
    share,
    signed,
    verdict_counts,
)
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


def test_numbers():
    assert [share(value) for value in (0.98765, 0.0, NAN)] == ["0.9877", "0.0000", MISSING]
    assert [signed(value) for value in (0.98765, -0.00004, NAN)] == ["+0.9877", "−0.0000", MISSING]
    assert signed(-0.123456789, 6) == "−0.123457"


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
    assert rows["0", "CNN"][5:9] == ["0.9900", "0.0064", "0.9905", "−0.0005"]
    assert rows["0.1", "FCN"][5:9] == ["0.9700", "0.0064", "0.9919", "−0.0219"]
    assert rows["0", "FCN"][5:9] == [MISSING, MISSING, "0.9881", MISSING]
    assert rows["0.1", "FCN"][1:3] == [MISSING, MISSING]  # no training accuracy
    assert [row[0] for row in rows.values()][:4] == ["3", "0", "0", "2"]


def test_numbers_link_to_their_runs_and_the_highest_is_bold(compared):
    table = comparison_table(PARAMS, "mnist", "translate", compared, COUNTS)
    cells = [cell for body in table.bodies for row in body.rows for cell in row[2:]]
    assert [(cell.text, cell.link) for cell in cells if cell.link] == [
        ("0.9900", "runs.html#mnist-cnn-none-0"),
        ("0.9700", "runs.html#mnist-fcn-translate-0.1"),  # (cnn, 0.1) has no run in COUNTS
    ]
    assert [cell.text for cell in cells if cell.bold] == ["0.9900"]  # the FCN has one level only


@pytest.mark.parametrize("name", ["1", "B.1"])
def test_comparison_names_the_table_of_the_paper(name, compared):
    table = comparison_table(PARAMS, "mnist", "translate", compared.assign(table=name), COUNTS)
    assert f"the paper's (Table {name}) and the difference" in table.caption


def test_comparison_without_the_paper(compared):
    own = compared.assign(dataset="flowers", paper=NAN, difference=NAN, table=NAN)
    table = comparison_table(PARAMS, "flowers", "translate", own, {})
    assert {column.title for column in table.columns[3:]} == {"Ours", "± 95 %"}
    assert "the paper has none" in table.caption


def test_comparison_of_nothing():
    table = comparison_table(PARAMS, "mnist", "translate", pd.DataFrame(columns=COLUMNS), COUNTS)
    assert [row[0] for row in texts(table)] == ["0", "0", "0.1", "0.1"]


def test_other_medians():
    medians = {("0", "cnn", "swap_acc"): 0.5, ("0", "cnn", "rotate_acc"): NAN, ("0.1", "cnn", "swap_acc"): 0.4}
    table = other_medians(PARAMS, "mnist", "translate", medians, ["rotate_acc", "swap_acc"])
    assert texts(table) == [
        ["0", MISSING, MISSING, "0.5000", MISSING],
        ["0.1", MISSING, MISSING, "0.4000", MISSING],
    ]
    assert [cell.text for body in table.bodies for row in body.rows for cell in row if cell.bold] == ["0.5000"]


def test_missing_connections():
    medians = {("0.1", "fcn-vcp-0.5", "val_acc"): 0.75}
    first, second = texts(missing_connections(PARAMS, "mnist", 0.1, medians, COUNTS))
    assert first == ["0", "2", *[MISSING] * 8]
    assert second == ["0.5", "1", MISSING, MISSING, "0.7500", *[MISSING] * 5]


def test_quadrant_swap():
    medians = {("0", "cnn", "val_acc"): 0.9, ("0", "cnn", "swap_acc"): 0.5, ("0", "fcn", "val_acc"): 0.8}
    table = quadrant_swap(PARAMS, "mnist", "translate", medians, COUNTS)
    assert texts(table) == [["CNN", "3", "0.9000", "0.5000"], ["FCN", "0", "0.8000", MISSING]]
    assert table.foot == ["CNN − FCN", "", "+0.1000", MISSING]
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
        ["2", "0.01", "0.9000", "0.3000", "10", "0", *absent],
        ["2", "0.001", *absent, *absent],
        ["3", "0.01", *absent, *absent],
        ["3", "0.001", "0.9500 ★", "0.2000", "9.5", "1", *absent],
    ]
    assert [cell.text for body in table.bodies for row in body.rows for cell in row if cell.bold] == ["0.9500 ★"]
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
