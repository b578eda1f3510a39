from pathlib import Path

import pandas as pd
import pytest

from freeconv.commands.tables import make_tables
from freeconv.study import paths
from tests.made_study import small_params, write_runs, write_traces


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Return the checklist of a small study that lacks a run: question to answer."""
    params = small_params(data={"datasets": ["mnist-5k"], "limit": 1000})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("study"))
        write_runs(params)
        write_traces(params)
        lost = paths.run_file("mnist-5k", "fcn", "translate", 0.2, 1)
        Path(lost).unlink()
        make_tables(params)
        frame = pd.read_csv("reports/tables/checklist.csv")
    assert list(frame.columns) == ["topic", "question", "answer"]
    assert frame["question"].is_unique
    assert frame.notna().all(axis=None)
    assert len(frame) >= 25
    return frame.set_index("question")["answer"]


def test_says_what_referees_ask(answers):
    expected = {
        "Which data is mnist-5k?": "stands beside the paper's mnist",
        "How is it split?": "3 contiguous folds, 3 of them held out in turn; no separate test set",
        "Is anything selected on the images that are reported?": "yes, as in the paper: training stops early",
        "How much energy?": "not measured",
        "On what?": "a made-up processor",
        "With which software?": "keras 3.12.0, numpy 2.4.0",
        "How does the study of mnist-5k differ from the paper's?": "1,000 images instead of 70,000; 4 epochs",
        "What could not be run or used?": "results/train/mnist-5k/fcn/translate/0.2/fold-1.h5",
        "Which claims fail by the paper's own numbers?": "cnn-lead-falls",
        "When were claims, margins and requirements settled?": "2026-11-25; SHA-256 ",
        "Are the tests' error rates known?": "tables/calibration.csv",
    }
    for question, answer in expected.items():
        assert answer in answers[question], question
