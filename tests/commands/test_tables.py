import json
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from freeconv.analysis.intervals import mean_and_interval
from freeconv.analysis.medians import distance, last_distance, median
from freeconv.commands.fetch import fetch
from freeconv.commands.tables import make_tables
from freeconv.errors import FreeconvError
from freeconv.storage.csv_files import read_csv
from freeconv.storage.hdf5 import read_h5
from freeconv.study import grid, paths
from freeconv.vocabulary import trained_as
from tests.data.pictures import encoded, picture, two_classes, write_files
from tests.made_study import (
    history,
    medians_of,
    small_params,
    write_data,
    write_run,
    write_runs,
    write_study,
    write_traces,
)

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


def read(name, folder=Path("reports")):
    return pd.read_csv(folder / f"{name}.csv")


def pick(frame, **values):
    for key, value in values.items():
        frame = frame[frame[key] == value]
    return frame


def test_the_files_are_those_announced(made):
    folder, _ = made
    written = [path for path in (folder / "reports").rglob("*") if path.is_file()]
    written = {str(path.relative_to(folder)) for path in written if "figures" not in path.parts}
    drawings = {path for path in written if "/drawings/" in path}
    assert written - drawings == {*paths.table_files(), *grid.export_files(small_params()), *paths.report_files()}


def test_columns(made):
    folder, _ = made
    expected = {
        "tables/accuracy": "dataset,augmentation,level,network,metric,median,runs",
        "tables/distance": "dataset,augmentation,level,layer,radius,measure,epoch,median",
        "tables/accuracy_by_epoch": "dataset,augmentation,level,network,metric,epoch,mean,low,high,runs",
        "tables/search": "dataset,network,layers,learning_rate,val_acc,val_loss,epochs,runs,chosen",
        "tables/problems": "path,used,problem",
        "tables/runs": "dataset,network,augmentation,level,fold,seed,epochs,last_val_acc,best_val_acc,positions,"
        "seconds,overhead_seconds,device,backend,threads,precision,flags,versions,path",
        "plots/val_acc": "dataset,augmentation,level,series,median",
        "plots/translate_acc": "dataset,augmentation,level,series,median",
        "plots/distance": "dataset,augmentation,level,series,median",
    }
    headers = {name: (folder / f"reports/{name}.csv").read_text().splitlines()[0] for name in expected}
    assert headers == expected


def test_rows_follow_the_parameters(made):
    folder, params = made
    frame = read("tables/accuracy", folder / "reports")
    expected = [
        ("mnist-5k", augmentation, level, network, metric)
        for augmentation, levels in (("translate", [0, 0.2, 0.4]), ("rotate", [0, 0.1]))
        for level in levels
        for network in ("cnn", "fcn")
        for metric in METRICS
    ]
    assert [tuple(row)[:5] for row in frame.itertuples(index=False)] == expected
    assert set(frame["runs"]) == {3}
    assert read("tables/runs", folder / "reports")["path"].tolist() == grid.run_files(params)


@pytest.mark.parametrize("aggregate", ["all-epochs", "final", "best"])
def test_medians_of_folds_of_unequal_lengths(project, aggregate):
    params = small_params(train={"folds": 3, "epochs": 5}, report={"aggregate": aggregate})

    def lengths(run):
        return 1 + 2 * run.fold

    write_runs(params, epochs=lengths)
    write_traces(params)
    make_tables(params)
    frame = read("tables/accuracy")
    for augmentation, level, network in [("translate", 0.2, "cnn"), ("rotate", 0, "fcn")]:
        trained = trained_as(augmentation, level)
        folds = [
            history(run, lengths(run))
            for run in grid.runs(params)
            if (run.augmentation, run.level, run.network) == (trained, level, network)
        ]
        assert [len(fold["history/val_acc"]) for fold in folds] == [1, 3, 5]
        for metric in METRICS:
            values = [fold[f"history/{metric}"] for fold in folds]
            if aggregate == "final":
                values = [value[-1:] for value in values]
            if aggregate == "best":
                bests = [max(range(len(v)), key=v.__getitem__) for v in (f["history/val_acc"] for f in folds)]
                values = [value[best : best + 1] for value, best in zip(values, bests, strict=True)]
            row = pick(frame, augmentation=augmentation, level=level, network=network, metric=metric)
            assert row["median"].item() == pytest.approx(medians_of(values), rel=1e-5)
            assert row["runs"].item() == 3


def test_aggregates_by_hand():
    histories = [
        {"val_acc": np.array([0.1, 0.9, 0.9, 0.3]), "swap_acc": np.array([1.0, 2, 3, 4])},
        {"val_acc": np.array([0.5, 0.2]), "swap_acc": np.array([10.0, 20])},
        {"val_acc": np.array([0.7]), "swap_acc": np.array([100.0])},
    ]
    assert median(histories, "swap_acc", "all-epochs") == 4
    assert median(histories, "swap_acc", "final") == 20
    assert median(histories, "swap_acc", "best") == 10
    assert median(histories, "val_acc", "best") == 0.7


def test_level_0_is_shared_by_augmentations(made):
    folder, _ = made
    for name in ("tables/accuracy", "tables/accuracy_by_epoch", "tables/distance", "plots/val_acc"):
        frame = read(name, folder / "reports").query("level == 0").drop(columns="augmentation")
        half = len(frame) // 2
        assert half > 0
        pd.testing.assert_frame_equal(frame[:half].reset_index(drop=True), frame[half:].reset_index(drop=True))


def test_a_study_without_augmentation_has_augmentation_none(project):
    params = small_params(aug={"translate": []})
    write_runs(params)
    write_traces(params)
    make_tables(params)
    for name in ("accuracy", "accuracy_by_epoch", "distance"):
        frame = read(f"tables/{name}")
        assert set(frame["augmentation"]) == {"none"}
        assert set(frame["level"]) == {0}


def test_an_augmentation_without_level_0_has_no_level_0(project):
    params = small_params(aug={"translate": [0, 0.2], "noise": [0.3]})
    write_runs(params)
    write_traces(params)
    make_tables(params)
    assert pick(read("tables/accuracy"), augmentation="noise")["level"].unique().tolist() == [0.3]
    assert pick(read("tables/distance"), augmentation="noise")["level"].unique().tolist() == [0.3]


def test_mean_and_interval_by_scipy_and_unequal_lengths():
    rng = np.random.default_rng(0)
    values = [rng.normal(size=length) for length in (4, 2, 3)]
    frame = mean_and_interval(values)
    assert frame["epoch"].tolist() == [1, 2, 3, 4]
    assert frame["runs"].tolist() == [3, 3, 2, 1]
    for row in frame[:3].itertuples():
        there = np.array([value[row.epoch - 1] for value in values if len(value) >= row.epoch])
        low, high = stats.t.interval(0.95, len(there) - 1, there.mean(), stats.sem(there))
        assert (row.mean, row.low, row.high) == pytest.approx((there.mean(), low, high))
    last = frame.iloc[3]
    assert last["mean"] == last["low"] == last["high"] == values[0][3]


def test_curves_are_written_by_epoch(made):
    folder, params = made
    frame = read("tables/accuracy_by_epoch", folder / "reports")
    chosen = pick(frame, augmentation="translate", level=0.4, network="fcn", metric="swap_acc")
    folds = [
        history(run, 4)["history/swap_acc"]
        for run in grid.runs(params)
        if (run.augmentation, run.level, run.network) == ("translate", 0.4, "fcn")
    ]
    assert chosen["mean"].tolist() == pytest.approx(np.mean(folds, axis=0).tolist(), rel=1e-5)
    assert (chosen["low"] < chosen["mean"]).all()
    assert len(frame) == 10 * len(METRICS) * 4


def trace(fold, distances, radius=1):
    return [("d", "translate", 0.0, "fcn", fold, "free_1", radius, "euclidean", e, v) for e, v in enumerate(distances)]


def test_distances_by_hand():
    columns = ["dataset", "augmentation", "level", "network", "fold", "layer", "radius", "measure", "epoch", "distance"]
    rows = trace(0, [1, 5]) + trace(1, [2, 6, 9]) + trace(2, [4, 8, 3, 7]) + trace(0, [70], 4)
    traces = pd.DataFrame(rows, columns=columns)
    assert pick(distance(traces), radius=1)["median"].tolist() == [2, 6, 6, 7]
    assert last_distance(traces)["median"].tolist() == [7, 70]


def test_distance_table_and_metrics_agree_with_the_traces(made):
    folder, _ = made
    trace, _ = read_csv(folder / paths.distance_file("mnist-5k", "fcn", "rotate", 0.1))
    table = pick(read("tables/distance", folder / "reports"), augmentation="rotate", level=0.1, radius=4)
    expected = [np.median(pick(trace, radius=4, epoch=epoch)["distance"]) for epoch in range(5)]
    assert table["epoch"].tolist() == [0, 1, 2, 3, 4]
    assert table["median"].tolist() == pytest.approx(expected, rel=1e-5)
    tree = json.loads((folder / "reports/tables/medians.json").read_text())
    assert tree["mnist-5k"]["rotate"]["0.1"]["fcn"]["distance_radius_4"] == round(expected[-1], 6)


def test_medians_as_a_tree_hold_every_median(made):
    folder, _ = made
    text = (folder / "reports/tables/medians.json").read_text()
    tree = json.loads(text)
    assert text == json.dumps(tree, indent=2, sort_keys=True) + "\n"
    for row in read("tables/accuracy", folder / "reports").itertuples():
        value = tree[row.dataset][row.augmentation][f"{row.level:g}"][row.network][row.metric]
        assert value == pytest.approx(row.median, abs=1e-6)
    assert set(tree["mnist-5k"]["translate"]["0"]["cnn"]) == set(METRICS)
    distances = {"distance_radius_1", "distance_radius_4"}
    assert set(tree["mnist-5k"]["translate"]["0"]["fcn"]) == {*METRICS, *distances}


def test_a_diverged_run_gives_null_not_nan(project):
    params = small_params(aug={"translate": [0]})
    write_runs(params)
    for run in grid.runs(params):
        if run.network == "fcn":
            write_run(run, 4, arrays={"kernels/free_1": np.full((5, 81, 9, 4), np.nan, "float32")})
    write_traces(params)
    make_tables(params)
    for name in ("metrics.json", "tables/medians.json"):
        assert "NaN" not in Path("reports", name).read_text()
    tree = json.loads(Path("reports/tables/medians.json").read_text())
    assert tree["mnist-5k"]["translate"]["0"]["fcn"]["distance_radius_1"] is None
    assert json.loads(Path("reports/metrics.json").read_text())["fcn_distance_radius_1"] is None


def test_metrics_are_eight_headline_numbers_without_dots_in_their_names(made):
    folder, params = made
    metrics = json.loads((folder / "reports/metrics.json").read_text())
    tree = json.loads((folder / "reports/tables/medians.json").read_text())
    highest = tree["mnist-5k"]["translate"]["0.4"]
    verdicts = read("tables/claims", folder / "reports")["verdict"]
    assert metrics == {
        "runs": len(grid.run_files(params)),
        "claims_supported": (verdicts == "supported").sum(),
        "claims_contradicted": (verdicts == "contradicted").sum(),
        **{
            f"{network}_{name}": highest[network][name]
            for network in ("cnn", "fcn")
            for name in ("val_acc", "translate_acc")
        },
        "fcn_distance_radius_1": highest["fcn"]["distance_radius_1"],
    }
    assert len(metrics) <= 8
    assert not any("." in name for name in metrics)


def test_plot_tables(made):
    folder, _ = made
    medians = pick(read("tables/accuracy", folder / "reports"), metric="translate_acc")
    plot = read("plots/translate_acc", folder / "reports")
    assert plot["median"].tolist() == medians["median"].tolist()
    assert plot["series"].tolist() == medians["network"].tolist()
    assert set(read("plots/distance", folder / "reports")["series"]) == {"distance_radius_1", "distance_radius_4"}


def test_only_cnn(project):
    params = small_params(train={"folds": 3, "epochs": 4, "networks": ["cnn"]})
    write_runs(params)
    make_tables(params)
    assert set(read("tables/accuracy")["network"]) == {"cnn"}
    assert len(read("tables/distance")) == len(read("plots/distance")) == 0
    assert set(json.loads(Path("reports/tables/medians.json").read_text())["mnist-5k"]["translate"]["0"]) == {"cnn"}
    assert "fcn_distance_radius_1" not in json.loads(Path("reports/metrics.json").read_text())


def test_run_table(made):
    folder, _ = made
    frame = read("tables/runs", folder / "reports")
    row = pick(frame, network="fcn", augmentation="translate", level=0.2, fold=2).iloc[0]
    assert (row["epochs"], row["positions"], row["seconds"]) == (4, 81, 14.5)
    assert 0 < row["last_val_acc"] <= row["best_val_acc"] <= 1
    assert (row["device"], row["backend"]) == ("a made-up processor", "tensorflow")
    assert row["versions"] == "keras 3.12.0, numpy 2.4.0"
    assert row["path"] == "results/train/mnist-5k/fcn/translate/0.2/fold-2.h5"
    assert set(pick(frame, network="cnn")["positions"]) == {1}


def test_what_cannot_be_used_is_left_out_and_named(project):
    params = small_params()
    write_runs(params)
    write_traces(params)
    missing = paths.run_file("mnist-5k", "cnn", "translate", 0.4, 1)
    Path(missing).unlink()
    problems = make_tables(params)
    assert [(problem.path, problem.used) for problem in problems if "train" in problem.path] == [(missing, False)]
    frame = read("tables/problems")
    assert missing in frame["path"].tolist()
    medians = pick(read("tables/accuracy"), metric="val_acc", network="cnn")
    assert pick(medians, level=0.4)["runs"].item() == 2
    assert set(pick(medians, level=0.2)["runs"]) == {3}
    for fold in (0, 2):
        Path(paths.run_file("mnist-5k", "cnn", "translate", 0.4, fold)).unlink()
    make_tables(params)
    assert 0.4 not in set(pick(read("tables/accuracy"), network="cnn")["level"])
    compared = pick(read("tables/compared"), augmentation="translate", network="cnn", level=0.4, metric="val_acc")
    assert compared["ours"].isna().item()
    assert compared["paper"].item() == 0.991571


def test_without_a_usable_run_there_are_no_tables(project):
    write_runs(small_params())
    with pytest.raises(FreeconvError, match=r"at least one run.*fold-0\.h5: expected seed = 3, received 0") as error:
        make_tables(small_params(seed=3))
    assert "\n" not in str(error.value)
    assert not Path("reports").exists()


def test_the_search_names_the_best_cell_of_each_network(project):
    search = {"learning_rates": [0.1, 0.001], "layers": [2, 3], "held_out": [0, 1], "epochs": 3}
    params = small_params(search=search, aug={"translate": [0]})
    write_runs(params)
    for run in grid.runs(params):
        if run.network == "fcn-layers-2-rate-0.1":
            accuracies = np.array([0.2, 0.9 + run.fold / 100, 0.4], "float32")
            write_run(run, 3, arrays={"history/val_acc": accuracies})
    make_tables(params)
    frame = read("tables/search")
    assert len(frame) == 2 * 2 * 2
    assert set(frame["runs"]) == {2}
    for network in ("cnn", "fcn"):
        mine = pick(frame, network=network)
        assert mine["chosen"].sum() == 1
        assert mine.loc[mine["chosen"], "val_acc"].item() == mine["val_acc"].max()
    row = pick(frame, network="fcn", layers=2, learning_rate=0.1)
    assert row["val_acc"].item() == pytest.approx(0.905)
    assert row["epochs"].item() == 3


def test_missing_connections_have_medians_and_curves_of_their_own(project):
    params = small_params(vcp={"levels": [0, 0.8], "translate": 0.2})
    write_runs(params)
    write_traces(params)
    make_tables(params)
    for name in ("tables/accuracy", "tables/accuracy_by_epoch"):
        frame = pick(read(name), network="fcn-vcp-0.8")
        assert set(zip(frame["augmentation"], frame["level"], strict=True)) == {("translate", 0.2)}
    assert "fcn-vcp-0.8" not in set(read("tables/compared")["network"])
    assert set(read("plots/val_acc")["series"]) == {"cnn", "fcn"}


def test_exports_are_in_the_papers_arrangement(made):
    folder, params = made
    for path in grid.export_files(params):
        assert (folder / path).read_text().strip()
    text = (folder / paths.export_file("reports", "mnist-5k", "translate", "md")).read_text()
    median = pick(
        read("tables/compared", folder / "reports"),
        augmentation="translate",
        level=0.2,
        network="fcn",
        metric="val_acc",
    )["ours"].item()
    assert f"{median:.4f} ±" in text


def test_how_a_study_of_a_folder_differs_is_said_of_the_images_that_it_has(project):
    params = small_params(data={"datasets": ["cifar10-jpeg"], "folders": {"cifar10-jpeg": "."}})
    write_runs(params)  # on 5,000 images
    make_tables(params)
    protocols = read("tables/compared")["protocol"]
    assert protocols.str.startswith(
        "5,000 images instead of 60,000; JPEG-coded images; 4 epochs instead of 500; "
    ).all()


def test_kernels_are_not_read(project):
    params = small_params()
    write_runs(params)
    write_traces(params)
    for path in grid.run_files(params):
        with h5py.File(path) as file:
            (layer,) = file["kernels"]
            start = file["kernels"][layer].id.get_offset()
        content = bytearray(Path(path).read_bytes())
        content[start] ^= 1
        Path(path).write_bytes(content)
        with pytest.raises(FreeconvError, match=f"expected kernels/{layer} with SHA-256"):
            read_h5(path)
    make_tables(params)
    assert len(read("tables/runs")) == len(grid.run_files(params))


def test_sha256sum_checks_the_tables(made):
    folder, _ = made
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        cwd=folder / "reports/tables",
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr
    tables = {path.name for path in (folder / "reports/tables").glob("*.csv")}
    assert {line.partition(":")[0] for line in checked.stdout.splitlines()} == {
        *tables,
        "medians.json",
        "../metrics.json",
    }


def test_tables_are_the_same_each_time(made, tmp_path, monkeypatch):
    folder, params = made
    monkeypatch.chdir(folder)
    make_tables(params, str(tmp_path))
    for name in paths.table_files(""):
        assert (tmp_path / name.lstrip("/")).read_bytes() == (folder / f"reports{name}").read_bytes()


def test_datasets_are_described(project):
    params = small_params()
    write_runs(params)
    make_tables(params)
    assert read("tables/dataset").empty  # results without the images
    write_data("mnist-5k")
    write_runs(params)
    make_tables(params)
    expected = [("mnist-5k", "class", str(label), number) for label, number in enumerate((1, 0, 0, 1, 0, 2))]
    assert [tuple(row)[:4] for row in read("tables/dataset").astype({"name": str}).itertuples(index=False)] == expected
    Path(paths.data_file("mnist-5k")).write_bytes(b"no HDF5 file")
    assert paths.data_file("mnist-5k") in [problem.path for problem in make_tables(params)]


def test_what_became_of_ones_own_images_is_in_a_table(project):
    files = two_classes(*(encoded(picture(n, 28, 28)) for n in range(6)))
    write_files(project / "own", {**files, "a/._0.png": b"", "notes.txt": b"", "b/9.png": files["a/0.png"]})
    fetch("own", paths.data_file("own"), 0, source=project / "own")
    params = small_params(data={"datasets": ["own"], "folders": {"own": "own"}})
    write_runs(params)
    make_tables(params)
    frame = pd.read_csv("reports/tables/dataset.csv", keep_default_na=False)
    assert [tuple(row) for row in frame.itertuples(index=False)] == [
        ("own", "class", "a", 3, ""),
        ("own", "class", "b", 4, ""),
        ("own", "passed over", "files of other kinds, .txt", 1, "notes.txt"),
        ("own", "passed over", "hidden files and folders", 1, "a/._0.png"),
        ("own", "warning", "equal images in different classes", 1, "a/0.png = b/9.png"),
    ]


def test_runs_of_several_seeds_are_the_runs_of_a_cell(project):
    params = small_params(train={"folds": 3, "epochs": 4, "seeds": [0, 1]})
    write_study(params)
    make_tables(params)
    study = read("tables/runs")
    assert study.groupby(["dataset", "network", "augmentation", "level"])["seed"].agg(list).map(sorted).tolist() == [
        [0, 0, 0, 1, 1, 1]
    ] * (len(study) // 6)
    assert study["path"].tolist() == grid.run_files(params)
    frame = read("tables/accuracy")
    assert set(frame["runs"]) == {6}
    row = frame[(frame["level"] == 0.2) & (frame["network"] == "fcn") & (frame["metric"] == "val_acc")].iloc[0]
    runs = [run for run in grid.runs(params) if (run.augmentation, run.level, run.network) == ("translate", 0.2, "fcn")]
    assert row["median"] == pytest.approx(medians_of(history(run, 4)["history/val_acc"] for run in runs), rel=1e-5)
    claims = read("tables/claims")
    assert (claims["folds"].max(), claims["seeds"].max()) == (3, 2)
    labels = ["augmentation", "level", "network", "fold", "seed", "measure", "layer", "setting", "statistic"]
    assert not read("tables/measures").duplicated(labels).any()
