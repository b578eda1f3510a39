"""Three tiny runs, and a shard of every augmentation, through every rule that stores numbers.

As a process of its own, `python -m tests.golden.compute`: it prints as JSON, for each rule, the hashes of its code and
its numbers: for each stored array or column the SHA-256 of its bytes, and some of its values. With `--write` it stores
them in golden.json.
"""

import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent / "golden.json"
PARAMS = {
    "data": {"limit": 150},
    "aug": {"translate": [0.2], "copies": 2},
    "train": {"folds": 3, "held_out": [1], "epochs": 3, "batch": 20, "learning_rate": 0.002},
    "vcp": {"levels": [0.5], "translate": [0.2]},
    "measure": {"shifts": [-0.25, 0.0, 0.25], "angles": [0.0, 90.0], "permutations": 20, "images": 50},
    "distance": {"radii": [1, 4], "measures": ["euclidean", "cosine"]},
}
SAMPLES = 40  # values kept of an array, evenly spread over it


def computed() -> dict[str, Any]:
    """Return the machine, and each rule's code hash and numbers."""
    from freeconv import cli
    from freeconv.augmentations import studied
    from freeconv.machine.environment import environment
    from freeconv.study import code, grid, paths
    from freeconv.study.params import check_params

    params = check_params(PARAMS)
    shards, jobs = grid.shard_files(params), list(grid.jobs(params))
    cells = grid.measure_configs(params)
    distance = grid.distance_config(params, "mnist-5k", "fcn", "translate", 0.2)
    shard_configs = [grid.shard_config(params, "mnist-5k", "translate", 0.2, index) for index in range(len(shards))]
    shard_configs += [grid.shard_config(params, "mnist-5k", name, 0.3, 0) for name in studied()]
    shards += [paths.shard_file("mnist-5k", name, 0.3, 0) for name in studied()]
    cli.fetch("mnist-5k", limit=params.data.limit)
    for config in shard_configs:
        cli.shard(config.text())
    for job in jobs:
        cli.train(job.text(), threads=1)
    cli.distance(distance.text())
    for measured in cells:
        cli.measure(measured.text(), threads=1)
    cli.tables(params.text())
    tables = ["accuracy", "accuracy_by_epoch", "claims", "compared", "distance", "measures"]
    machine = environment()
    del machine["versions"]["freeconv"]  # a release changes no number
    return {
        "machine": machine,
        "rules": {
            "fetch": _rule([code.fetch_code("mnist-5k")], grid.data_files(params)),
            "shard": _rule(map(code.shard_code, shard_configs), shards),
            "train": _rule(map(code.train_code, jobs), grid.run_files(params)),
            "distance": _rule([code.distance_code()], grid.distance_files(params)),
            "measure": _rule(map(code.measure_code, cells), grid.measure_files(params)),
            "tables": _rule([code.tables_code()], [f"{paths.REPORTS}/tables/{name}.csv" for name in tables]),
        },
    }


def _rule(codes: Any, files: list[str]) -> dict[str, Any]:
    """Return the hashes of a rule's code, and the numbers of its files."""
    return {"code": list(codes), "numbers": {key: value for file in files for key, value in _numbers(file)}}


def _numbers(file: str) -> Any:
    """Yield names and descriptions of the arrays or columns of numbers in a file."""
    import numpy as np
    import pandas as pd

    from freeconv.storage.csv_files import read_csv
    from freeconv.storage.hdf5 import read_h5

    if file.endswith(".h5"):
        arrays = read_h5(file)[0]
        arrays.pop("history/cpu_seconds", None)  # measured, not computed
    else:
        frame = read_csv(file)[0] if file.startswith("results/") else pd.read_csv(file)
        arrays = {name: frame[name].to_numpy() for name in frame.select_dtypes("number")}
    for name, array in sorted(arrays.items()):
        flat = np.ascontiguousarray(array).ravel()
        places = np.linspace(0, flat.size - 1, min(SAMPLES, flat.size)).astype(int)
        values = [None if np.isnan(value) else float(f"{value:.9g}") for value in flat[places].astype(float)]
        yield f"{file} {name}", {"sha256": hashlib.sha256(flat.tobytes()).hexdigest(), "values": values}


def main() -> None:
    """Print or write what is computed in a new folder."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        sys.stdout.flush()
        held, log = os.dup(1), os.open("log", os.O_WRONLY | os.O_CREAT)
        os.dup2(log, 1)  # progress of the commands
        result = json.dumps(computed(), indent=1, sort_keys=True) + "\n"
        sys.stdout.flush()
        os.dup2(held, 1)
    if "--write" in sys.argv:
        GOLDEN.write_text(result)
    else:
        print(result)


if __name__ == "__main__":
    main()
