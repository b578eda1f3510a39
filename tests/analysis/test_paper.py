import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from freeconv.analysis import paper
from freeconv.analysis.intervals import interval
from freeconv.analysis.paper import CELL, COLUMNS, paper_medians
from freeconv.datasets import paper_dataset
from freeconv.report.exports import as_csv, as_latex, as_markdown
from freeconv.study import grid
from freeconv.study.params import Params, check_params
from freeconv.study.protocol import protocol

METRICS = (
    "train_acc",
    "clean_train_acc",
    "val_acc",
    "translate_acc",
    "rotate_acc",
    "noise_acc",
    "edge_noise_acc",
    "swap_acc",
)
LEVELS = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99]


def study(
    levels=(0, 0.2), networks=("cnn", "fcn"), dataset="mnist", augmentation="translate", folds=3, metrics=METRICS
):
    """Return made-up values of runs and their medians."""
    rng = np.random.default_rng(0)
    values = pd.DataFrame(
        [
            (dataset, augmentation, level, network, metric, fold, rng.uniform(0.5, 1))
            for level in levels
            for network in networks
            for metric in metrics
            for fold in range(folds)
        ],
        columns=[*CELL, "fold", "value"],
    )
    return medians_of(values), values


def medians_of(values):
    grouped = values.groupby(CELL, sort=False)["value"]
    # a pooled median is not the median of the runs' own values: move it a little
    return grouped.median().add(0.001).rename("median").reset_index().assign(runs=grouped.size().to_numpy())


def params_of(
    levels=(0, 0.2), dataset="mnist", augmentation="translate", networks=("cnn", "fcn"), **sections
) -> Params:
    folders = {} if dataset in ("mnist", "mnist-5k", "cifar10") else {dataset: "."}
    return check_params(
        {
            "data": {"datasets": [dataset], "folders": folders},
            "aug": {"translate": [], augmentation: list(levels)},
            "train": {"networks": list(networks)},
            **sections,
        }
    )


def compare(params, medians, values, images=None) -> pd.DataFrame:
    """Return ours beside the paper's; `images` is dataset to number of images."""
    protocols = {
        dataset: "; ".join(protocol(params, dataset, (images or {}).get(dataset))) for dataset in params.data.datasets
    }
    return paper.compare(grid.cells(params), METRICS, medians, values, protocols)


def pick(frame, **values):
    for key, value in values.items():
        frame = frame[frame[key] == value]
    return frame


@pytest.mark.parametrize(
    ("table", "dataset", "augmentation", "level", "network", "metric", "expected"),
    [
        ("1", "mnist", "translate", 0.2, "fcn", "val_acc", 0.990357),
        ("1", "mnist", "translate", 0, "cnn", "translate_acc", 0.366536),
        ("2", "cifar10", "translate", 0.99, "fcn", "train_acc", 0.413802),
        ("B.1", "cifar10", "edge_noise", 0.5, "cnn", "val_acc", 0.60917),
        ("B.2", "mnist", "noise", 0.9, "fcn", "translate_acc", 0.28516),
        ("B.3", "cifar10", "rotate", 0.1, "cnn", "translate_acc", 0.4866),
    ],
)
def test_the_papers_medians(table, dataset, augmentation, level, network, metric, expected):
    row = pick(paper_medians(), dataset=dataset, augmentation=augmentation, level=level, network=network, metric=metric)
    assert row["median"].tolist() == [expected]
    assert row["table"].tolist() == [table]


def test_the_papers_tables_are_whole():
    frame = paper_medians()
    assert len(frame) == 396
    assert not frame.duplicated(["table", *CELL]).any()
    assert frame["median"].between(0.2, 1).all()
    for _, table in frame.groupby(["table", "dataset"]):
        assert len(table) == len(LEVELS) * 2 * table["metric"].nunique()
        assert sorted(table["level"].unique()) == LEVELS
    # level 0 is the same runs in all tables of a dataset, rounded to five digits in those of the appendix
    zero = frame[frame["level"] == 0].groupby(["dataset", "network", "metric"])["median"]
    assert (zero.max() - zero.min()).max() < 6e-6


def test_which_dataset_stands_beside_which():
    assert [paper_dataset(name) for name in ("mnist", "mnist-5k", "cifar10", "cifar10-jpeg", "flowers")] == [
        "mnist",
        "mnist",
        "cifar10",
        "cifar10",
        None,
    ]


def test_interval_by_hand():
    # s = 1, n = 3, t(0.975, 2) = 4.302653
    low, high = interval([1, 2, 3])
    assert (low, high) == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5), rel=1e-6)
    assert interval([1, 2, 3], 10) == pytest.approx((low + 8, high + 8))
    assert interval([1, 2, 3], bounds=(0, 3)) == (0, 3)


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=9, unique=True))
def test_interval_is_that_of_scipy(values):
    expected = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    assert interval(values) == pytest.approx(expected)


@pytest.mark.parametrize("values", [[], [0.5], [0.5, np.nan], [0.5, 0.5], [1.0, 1.0, 1.0]])
def test_no_interval(values):
    assert np.isnan(interval(values)).all()


def test_cells_of_the_paper_and_of_the_study():
    medians, values = study(levels=[0, 0.25])
    frame = compare(params_of([0, 0.25]), medians, values)
    assert list(frame.columns) == COLUMNS
    assert [tuple(row) for row in frame[CELL].itertuples(index=False)] == [
        ("mnist", "translate", level, network, metric)
        for level in sorted([*LEVELS, 0.25])
        for network in ("cnn", "fcn")
        for metric in ("train_acc", "val_acc", "translate_acc")
    ]
    assert set(frame.loc[frame["ours"].notna(), "level"]) == {0, 0.25}
    assert set(frame.loc[frame["paper"].notna(), "level"]) == set(LEVELS)
    assert frame.loc[frame["ours"].isna(), "runs"].eq(0).all()
    assert frame.loc[frame["ours"].isna(), ["difference", "low", "high"]].isna().all(axis=None)
    assert frame.loc[frame["level"] == 0.25, "table"].eq("").all()
    assert frame.loc[frame["level"] != 0.25, "table"].eq("1").all()


def test_values_of_a_cell():
    medians, values = study()
    frame = compare(params_of(), medians, values)
    cell = {"level": 0.2, "network": "fcn", "metric": "val_acc"}
    row = pick(frame, **cell).iloc[0]
    ours = pick(medians, **cell)["median"].item()
    own = pick(values, **cell)["value"]
    half = stats.t.ppf(0.975, 2) * own.std() / 3**0.5
    assert row["paper"] == 0.990357
    assert row["ours"] == ours
    assert row["difference"] == pytest.approx(ours - 0.990357)
    assert (row["low"], row["high"]) == pytest.approx((max(0, ours - half), min(1, ours + half)))
    # the paper's median is over five folds, and has a sampling error of its own
    apart = stats.t.ppf(0.975, 2) * own.std() * (1 / 3 + 1 / 5) ** 0.5
    center = row["difference"]
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((center - apart, center + apart))
    assert row["runs"] == 3


def test_seeds_of_a_fold_count_once():
    medians, values = study()
    seeds = pd.concat([values.assign(seed=0), values.assign(seed=1)])
    columns = ["low", "high", "difference_low", "difference_high"]
    frame, once = (compare(params_of(), medians, of)[columns] for of in (seeds, values))
    pd.testing.assert_frame_equal(frame, once)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99), folds=st.integers(1, 5))
def test_difference_and_order_of_rows(seed, folds):
    medians, values = study(folds=folds, metrics=("val_acc", "translate_acc"))
    frame = compare(params_of(), medians, values)
    np.testing.assert_allclose(frame["difference"], frame["ours"] - frame["paper"])
    shuffled = compare(
        params_of(),
        medians.sample(frac=1, random_state=seed),
        values.sample(frac=1, random_state=seed),
    )
    pd.testing.assert_frame_equal(frame, shuffled)


def test_one_run_has_no_interval():
    medians, values = study(folds=1)
    frame = compare(params_of(), medians, values)
    ran = frame[frame["ours"].notna()]
    assert len(ran) == 2 * 2 * 3
    assert ran[["low", "high"]].isna().all(axis=None)


def test_a_cell_with_a_run_that_has_no_number_is_missing():
    medians, values = study()
    bad = {"level": 0.2, "network": "cnn", "metric": "val_acc"}
    values.loc[pick(values, **bad).index[1], "value"] = np.nan
    frame = compare(params_of(), medians, values)
    row = pick(frame, **bad).iloc[0]
    assert np.isnan(row[["ours", "difference", "low", "high"]].to_numpy(float)).all()
    assert row["runs"] == 3
    assert frame["ours"].notna().sum() == 2 * 2 * 3 - 1


def test_only_what_is_studied_is_shown():
    medians, values = study(networks=["fcn"], augmentation="noise", dataset="mnist-5k")
    frame = compare(params_of(dataset="mnist-5k", augmentation="noise", networks=["fcn"]), medians, values)
    assert set(frame["network"]) == {"fcn"}
    assert set(frame["augmentation"]) == {"noise"}
    assert set(frame["metric"]) == {"val_acc", "translate_acc"}
    assert set(frame["table"]) == {"B.2"}
    assert pick(frame, level=0.9, metric="translate_acc")["paper"].item() == 0.28516


def test_a_dataset_that_the_paper_has_not():
    medians, values = study(dataset="flowers")
    frame = compare(params_of(dataset="flowers"), medians, values)
    assert len(frame) == 2 * 2 * 3
    assert frame[["paper", "difference"]].isna().all(axis=None)
    assert frame[["ours", "low", "high"]].notna().all(axis=None)
    assert set(frame["table"]) == set(frame["protocol"]) == {""}


def test_networks_that_lack_connections_stand_behind_the_others():
    medians, values = study(networks=["cnn", "fcn"])
    more, more_values = study(networks=["fcn-vcp-0.3"], levels=[0.2])
    frame = compare(params_of(), pd.concat([more, medians]), pd.concat([more_values, values]))
    assert pick(frame, level=0.2)["network"].unique().tolist() == ["cnn", "fcn", "fcn-vcp-0.3"]
    assert set(pick(frame, network="fcn-vcp-0.3")["level"]) == {0.2}


def test_a_run_that_was_asked_for_and_is_not_there_is_missing():
    medians, values = study(levels=[0])
    frame = compare(params_of([0, 0.25]), medians, values)
    row = pick(frame, level=0.25, network="cnn", metric="val_acc")
    assert row[["paper", "ours"]].isna().all(axis=None)
    assert row["runs"].tolist() == [0]


def test_how_the_runs_of_a_folder_differ():
    medians, values = study(dataset="cifar10-jpeg")
    frame = compare(params_of(dataset="cifar10-jpeg"), medians, values, images={"cifar10-jpeg": 1_000})
    assert frame["protocol"].str.startswith("1,000 images instead of 60,000; JPEG-coded images; ").all()


def table_by_hand():
    """Return a table of one missing cell, one without interval, one without a number of the paper."""
    rows = [
        (0, "cnn", 0.99, 0.95, 0.94, 0.96, 5),
        (0, "fcn", 0.98, 0.9812, np.nan, np.nan, 1),
        (0.25, "cnn", np.nan, 0.5, 0.4, 0.6, 5),
        (0.3, "fcn", 0.97, np.nan, np.nan, np.nan, 0),
    ]
    frame = pd.DataFrame(rows, columns=["level", "network", "paper", "ours", "low", "high", "runs"])
    return frame.assign(
        dataset="mnist-5k",
        augmentation="edge_noise",
        metric="val_acc",
        difference=frame["ours"] - frame["paper"],
        difference_low=np.nan,
        difference_high=np.nan,
        table="B.1",
        protocol="6 epochs instead of 250",
    )[COLUMNS]


def test_markdown_by_hand():
    assert as_markdown(table_by_hand()).splitlines() == [
        "mnist-5k, edge_noise: median accuracy ± half of its 95 % interval over folds (Ott et al. 2019, Table B.1, and "
        "the difference); — is missing. Protocol: 6 epochs instead of 250.",
        "",
        "| level | Validation CNN | Validation FCN |",
        "| --- | --- | --- |",
        "| 0 | 0.9500 ± 0.0100 (0.9900, −0.0400) | 0.9812 (0.9800, +0.0012) |",
        "| 0.25 | 0.5000 ± 0.1000 | — |",
        "| 0.3 | — | — (0.9700) |",
    ]


def test_latex_by_hand():
    text = as_latex(table_by_hand())
    assert r"\caption{mnist-5k, edge\_noise: median accuracy $\pm$ half of its 95 \% interval" in text
    assert r"\label{tab:mnist-5k-edge-noise}" in text
    assert [line for line in text.splitlines() if line.endswith(r"\\")] == [
        r" &  & \multicolumn{2}{c}{Validation} \\",
        r" &  & CNN & FCN \\",
        r"0 & ours & 0.9500 $\pm$ 0.0100 & 0.9812 \\",
        r" & paper & 0.9900 ($-$0.0400) & 0.9800 (+0.0012) \\",
        r"0.25 & ours & 0.5000 $\pm$ 0.1000 & --- \\",
        r" & paper & --- & --- \\",
        r"0.3 & ours & --- & --- \\",
        r" & paper & --- & 0.9700 \\",
    ]
    assert text.isascii()
    assert text.count("{") == text.count("}")
    for environment in ("table", "tabular"):
        assert text.count(rf"\begin{{{environment}}}") == text.count(rf"\end{{{environment}}}") == 1


def test_the_arrangement_of_the_paper():
    medians, values = study()
    lines = as_markdown(compare(params_of(), medians, values)).splitlines()
    assert lines[2] == (
        "| level | Training CNN | Training FCN | Validation CNN | Validation FCN | Translated CNN | Translated FCN |"
    )
    assert [line.split("|")[1].strip() for line in lines[4:]] == [f"{level:g}" for level in LEVELS]
    assert lines[7] == "| 0.3 | — (0.9926) | — (0.9840) | — (0.9921) | — (0.9876) | — (0.9907) | — (0.9851) |"


def test_captions_of_other_protocols_and_datasets():
    medians, values = study(dataset="flowers")
    assert as_markdown(compare(params_of(dataset="flowers"), medians, values)).splitlines()[0] == (
        "flowers, translate: median accuracy ± half of its 95 % interval over folds; — is missing."
    )
    caption = as_markdown(table_by_hand().assign(protocol="")).splitlines()[0]
    assert caption.endswith("Protocol: as in the paper.")


def test_csv_can_be_read_back():
    medians, values = study()
    frame = compare(params_of(), medians, values)
    read = pd.read_csv(io.StringIO(as_csv(frame)), dtype={"table": str})
    pd.testing.assert_frame_equal(read, frame, rtol=1e-5, check_dtype=False)


@pytest.mark.parametrize("export", [as_markdown, as_latex])
def test_one_table_at_a_time(export):
    frame = table_by_hand()
    with pytest.raises(
        ValueError, match=r"one dataset and augmentation. Received: \[\('mnist-5k', 'edge_noise'\), .*'x'"
    ):
        export(pd.concat([frame, frame.assign(augmentation="x")]))
    with pytest.raises(ValueError, match=r"Received: \[\]"):
        export(frame[:0])
