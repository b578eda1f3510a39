import pandas as pd

from freeconv.report.problems import problem_groups

NOTHING = (
    "expected an accuracy above chance, received {} on the held-out fold after the last epoch, with 10 classes: the "
    "run learned nothing"
)


def test_problems_of_one_kind_are_one_line_and_the_expected_come_last():
    folder = "results/train/mnist"
    rows = [
        *(
            (f"{folder}/fcn-vcp-0.99/translate/0.2/fold-{fold}.h5", True, NOTHING.format(0.08 + fold))
            for fold in range(3)
        ),
        (f"{folder}/cnn-layers-2-rate-0.1/none/0/fold-0.h5", True, NOTHING.format("0.0990")),
        (f"{folder}/fcn/none/0/fold-0.h5", True, NOTHING.format(0.1)),
        (f"{folder}/fcn/none/0/fold-1.h5", False, "expected a file, received none; run snakemake"),
        (f"{folder}/fcn/none/0/fold-2.h5", False, "expected a file, received none; run snakemake"),
    ]
    groups = problem_groups(pd.DataFrame(rows, columns=["path", "used", "problem"]))
    assert [(group.title, group.used, len(group.lines)) for group in groups] == [
        ("2 files: expected a file, received none; run snakemake", False, 2),
        ("1 file: the run learned nothing", True, 1),
        ("3 files: the run learned nothing", True, 3),
        ("1 file: the run learned nothing", True, 1),
    ]
    assert [group.expected for group in groups] == [
        "",
        "",
        "expected: 99 % of the network's connections are missing",
        "expected: the search tries learning rates that are too high",
    ]
    assert groups[2].lines[0] == rows[0][::2]


def test_no_problems():
    assert problem_groups(pd.DataFrame(columns=["path", "used", "problem"])) == []
