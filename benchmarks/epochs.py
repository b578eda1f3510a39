"""An epoch of this version beside one of an earlier version, at equal settings.

Processor seconds of the second epoch (training on 56,000 images of full MNIST under translation 0.2, batch 256, six
evaluations, reading its shard) of both networks, in whole `freeconv train` processes on one core each; the first epoch,
in which programs are compiled, does not count. The two versions run side by side, a core each, so that whatever else
the machine does falls on both; this version also with `evaluate.images: 2000`. A ratio above 1 says that this version
is faster.

    git clone . ../earlier && git -C ../earlier checkout b843630 && make -C ../earlier setup
    python benchmarks/epochs.py ../earlier
"""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml
from measuring import ROOT, arguments, compared, measured, write_result

COMMAND = "python benchmarks/epochs.py ../earlier"
NETWORKS, EPOCHS, ROUNDS = ("fcn", "cnn"), 2, 2
LIMITED = 2000
QUICK = {"data": {"datasets": ["mnist-5k"], "limit": 200}, "train": {"batch": 20}}
STUDY: dict[str, dict[str, Any]] = {
    "data": {"datasets": ["mnist"], "limit": None},
    "aug": {"translate": [0.2], "copies": EPOCHS},
    "train": {"networks": list(NETWORKS), "folds": 5, "held_out": [0], "epochs": EPOCHS, "batch": 256, "fuse": []},
}


def prepare(clone: Path, folder: Path, quick: bool, **changes: dict[str, Any]) -> None:
    """Make a project from a clone with the data and shards of the study, as it is at that commit."""
    subprocess.run(["git", "clone", "--quiet", "--config", "advice.detachedHead=false", clone, folder], check=True)
    params = yaml.safe_load((folder / "params/smoke.yaml").read_text())
    for section, values in [*STUDY.items(), *(QUICK.items() if quick else ()), *changes.items()]:
        params[section].update(values)
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    ran(clone, folder, "snakemake", "all_shards", "--cores", "2", "--notemp")


def ran(clone: Path, folder: Path, *command: str) -> str:
    """Run a command in a project with a clone's programs and package; return what it prints."""
    done = subprocess.run(
        command, cwd=folder, env=_environment(clone, folder), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout + done.stderr


def _environment(clone: Path, folder: Path) -> dict[str, str]:
    """Return the environment of commands in a project: with a clone's programs and the project's package."""
    path = os.pathsep.join([str(clone.resolve() / ".venv/bin"), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONPATH": str(folder / "src")}


def jobs(clone: Path, folder: Path) -> dict[str, str]:
    """Return the configuration of each network's training job, as Snakemake would give it."""
    planned = ran(clone, folder, "snakemake", "-n", "-p", "all_train")
    found = {}
    for config in re.findall(r"freeconv train ('.*?'|\S+) --threads", planned):
        (text,) = shlex.split(config)
        found[yaml.safe_load(text)["network"]] = text
    return found


def second_epoch(clone: Path, folder: Path, config: str) -> float:
    """Train two epochs in a process of its own; return the processor seconds of the second one."""
    with psutil.Popen(
        ["freeconv", "train", config, "--threads", "1", "--stack", "off"],
        cwd=folder,
        env=_environment(clone, folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        ends, lines = {}, []
        for line in process.stdout:
            lines.append(line)
            if found := re.search(r": epoch (\d+)/", line):
                times = process.cpu_times()
                ends[int(found[1])] = times.user + times.system
    for made in ("results/train", "checkpoints", "logs"):
        shutil.rmtree(folder / made, ignore_errors=True)
    if set(ends) != {1, 2}:
        raise RuntimeError(f"expected the ends of two epochs, received {sorted(ends)}: {''.join(lines)[-3000:]}")
    return ends[2] - ends[1]


def main(command_line: list[str] | None = None) -> None:
    """Measure and write the results."""
    parser = arguments(__doc__)
    parser.add_argument("earlier", type=Path, help="a clone of the earlier version, after make setup")
    options = parser.parse_args(command_line)
    earlier = options.earlier.resolve()
    seconds: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as place:
        versions = {
            "earlier": (earlier, Path(place, "earlier"), {}),
            "this": (ROOT, Path(place, "this"), {}),
            "limited": (ROOT, Path(place, "limited"), {"evaluate": {"images": LIMITED}}),
        }
        for clone, folder, changes in versions.values():
            prepare(clone, folder, options.quick, **changes)
        configs = {name: jobs(clone, folder) for name, (clone, folder, _) in versions.items()}
        for _ in range(1 if options.quick else ROUNDS):
            for network in NETWORKS:
                for beside in ("this", "limited"):
                    pair = [(*versions[name][:2], configs[name][network]) for name in ("earlier", beside)]
                    with ThreadPoolExecutor(2) as pool:
                        took = pool.map(second_epoch, *zip(*pair, strict=True))
                    for name, epoch in zip((f"earlier beside {beside}", beside), took, strict=True):
                        seconds.setdefault((network, name), []).append(epoch)
    arrays = {key: np.array(values) for key, values in seconds.items()}
    rows = [measured(f"{network}, {name}", values, "s") for (network, name), values in arrays.items()]
    comparisons = [
        compared(
            f"{network}: the earlier version's epoch / this one's{text}",
            arrays[network, f"earlier beside {name}"] / arrays[network, name],
            target,
        )
        for network in NETWORKS
        for name, text, target in (("this", "", "≥ 1.25"), ("limited", ", evaluate.images: 2000", "≥ 1.6"))
    ]
    write_result("epochs", __doc__, COMMAND, f"{ROUNDS} rounds", rows, comparisons, options)


if __name__ == "__main__":
    main()
