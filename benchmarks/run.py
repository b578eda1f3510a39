"""Run all benchmarks, one after another, and write docs/performance.md from their results.

More than a quarter of an hour on two cores. Nothing else should run on the machine meanwhile.

    python benchmarks/run.py              # peers: pip install -e '.[bench]'
    python benchmarks/run.py --page-only  # only the page, from the results that are there
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from measuring import RESULTS, arguments, met
from rich.console import Console
from rich.table import Table

FOLDER = Path(__file__).resolve().parent
PAGE = FOLDER.parent / "docs/performance.md"
# File and Keras backend, in the order of the page.
BENCHMARKS = (
    ("layer", "tensorflow"),
    ("free_layer", "tensorflow"),
    ("augmentation", "tensorflow"),
    ("shards", "tensorflow"),
    ("evaluation", "tensorflow"),
    ("measures", "tensorflow"),
    ("stacking", "tensorflow"),
    ("stacking", "jax"),
    ("growth", "tensorflow"),
    ("freed_memory", "tensorflow"),
    ("startup", "tensorflow"),
    ("planning", "tensorflow"),
)
VERDICT = {True: "met", False: "missed", None: "—"}
INTRODUCTION = """# Performance

Written by `python benchmarks/run.py` from `benchmarks/results/`; do not edit by hand. Every number is the median over
the rounds, with the 10th to 90th percentile in parentheses; ratios are taken within each round. A target without a
verdict (—) has not been measured, and a comparison without a target is there to be known."""

TRIED = """## What was tried

For the free networks' step with TensorFlow on a processor. Ratios are to the step of the formulation before (order
height, width, batch, channels; compiled by XLA): medians of 7 to 9 interleaved rounds of 3 steps on two cores of an AMD
EPYC that were not idle, 2026-11-22; in each pair MNIST's network comes first and CIFAR-10's second.

| tried | one thread | two threads | |
|---|---|---|---|
| images last, `einsum`, and a transposed matrix for the dense layer | 0.82, 0.84 | 0.74, 0.80 | taken |
| … by `matmul` of a transposed kernel | 0.86, 0.86 | 0.74, 0.86 | |
| … with the transposition of four axes before the dense layer | 0.94, 0.88 | 0.93, 0.95 | |
| … with the dense layer as a free layer of one position | 1.17, 1.02 | 0.98, 0.88 | |
| … with the layer's gradient by hand | 0.75, 0.81 | 0.78, 0.90 | without, beside it: 0.70, 0.80; 0.81, 0.90 |
| … not compiled but for Adam: `gather`, gradient by hand | 0.90, 0.95 | 0.92, 0.67 | |
| … the same with TensorFlow's fused Adam | 0.84, 0.83 | 0.88, 0.69 | a second path, and not faster on one thread |
| not compiled in the order before, gradient by hand | 1.42, 1.47 | 1.27, 1.36 | |

With JAX the order that was taken costs 0.88 of the one before for MNIST on one thread, 0.97 on two, and 0.97 for
CIFAR-10 on two. All this was with TensorFlow 2.20, whose XLA multiplied the middle layer's matrices on two threads at
61 to 106 GFLOP/s.

TensorFlow 2.21 takes 0.84 (MNIST) and 0.82 (CIFAR-10) of 2.20's time for a step on two cores, 0.95 on one (MNIST). Its
profiler, over 69 ms of a CIFAR-10 step: the forward products of the free layers take 18 ms (about 140 GFLOP/s; small
results of long sums, on two threads each), the backward ones 25 (150 to 185; two at a time), the dense layer 10, Adam 9
(three passes over the weights, 40 bytes each, where 28 would do in one), the gathering of the batch and copies of the
weights 5, receptive fields and the rest 3; some of it at the same time. The copies are gone since Adam's rate depends
on the last gradient: 0.96 of the time for CIFAR-10, no difference beyond the spread for MNIST (medians of three pairs
of processes). XLA's switches do that, too (no scheduler for concurrency, region analysis: 0.97), but may be missing in
other versions; a barrier between gradient and Adam does not. Other orders of the products' axes are slower in sum:
CIFAR-10's middle layer, forwards and backwards, 27.4 ms as taken, 27.5, 28.2 and 34.3 ms. XLA's switches for XNNPACK,
YNNPACK, oneDNN, vectors of 512 bits and products on one thread changed no ratio beyond the spread. Not tried: Adam in
blocks that fit the cache.

PyTorch as a third backend of the trainer shares the networks and the loop: 15 lines with `torch.func.grad` and `vmap`
beside TensorFlow's and JAX's give the same losses and accuracies. It was left out, because what it was to give, steps
in bfloat16 in half of TensorFlow's time, it does not give that way. Ratios to TensorFlow's float32 step, one thread,
two pairs of processes of 5 rounds of 3 steps on an AMD EPYC with other programs, 2026-11-28 (MNIST's network,
CIFAR-10's): FCN in float32 1.5 and 1.8 to 2.0, in bfloat16 0.96 to 1.0 and 1.4 to 1.6; CNN in float32 1.1 and 1.1 to
1.2, in bfloat16 0.7 and 0.76. Of MNIST's 90 ms in bfloat16 Adam takes 40, as PyTorch fuses nothing and its own fused
Adam cannot be mapped over a stack; the rest are products, and receptive fields gathered and added up again by index. A
step written for PyTorch alone is faster, and would be a second path.

Evaluation takes six times 1,000 forward passes against 3,968 forward and backward ones of training, a third of the
products of the demo's epoch; a quarter of the time could only be reached while training was slower for each product
than evaluation. Batches of 100 to 500 images instead of 1,000 were not faster (28 to 33 % of the CNN's epoch against
29 %; 31 to 37 % of the FCN's against 29 %).
"""

Result = Mapping[str, Any]


def number(value: float) -> str:
    """Return a number with three significant digits, and no exponent for what people read without one."""
    if value == 0 or not 1e-3 <= abs(value) < 1e7:
        return f"{value:.2g}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def value_text(row: Mapping[str, Any]) -> str:
    """Return median, spread and unit of a measured or compared quantity, or why there is none."""
    if row["median"] is None:
        return f"{row['not_installed']} not installed"
    spread = f" ({number(row['p10'])}–{number(row['p90'])})" if row["n"] > 1 else ""
    return f"{number(row['median'])}{spread} {row['unit']}".rstrip()


def target_text(row: Mapping[str, Any]) -> str:
    """Return a comparison's target."""
    return f"{row['target']} {row['unit']}".rstrip() if row["target"] else "—"


def performance_page(results: Sequence[Result]) -> str:
    """Return the page of all results, as Markdown."""
    comparisons = [row for result in results for row in result["compared"]]
    verdicts = [met(row) for row in comparisons]
    peers = sorted({row["not_installed"] for row in comparisons if "not_installed" in row})
    summary = f"{verdicts.count(True)} targets met, {verdicts.count(False)} missed."
    if peers:
        summary += f" Not installed, so not compared: {', '.join(peers)}."
    lines = [*INTRODUCTION.splitlines(), "", summary]
    for result in results:
        machine, versions = result["machine"], result["versions"]
        where = f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB"
        where = f"{machine['device']} ({where})" if "device" in machine else where
        lines += [
            "",
            f"## {result['name']}",
            "",
            f"Claim: **{result['claim']}** {result['method']}",
            "",
            f"`{result['command']}` on {result['date']}; {where}; {result['n']}; "
            + ", ".join(f"{package} {text}" for package, text in versions.items())
            + ".",
        ]
        if result["quick"]:
            lines += ["", "A trial at tiny sizes: these numbers mean nothing."]
        if result["compared"]:
            lines += ["", "| compared | result | target | |", "|---|---|---|---|"]
            lines += [
                f"| {row['what']} | {value_text(row)} | {target_text(row)} | {VERDICT[met(row)]} |"
                for row in result["compared"]
            ]
        if result["measured"]:
            lines += ["", "| measured | result |", "|---|---|"]
            lines += [f"| {row['what']} | {value_text(row)} |" for row in result["measured"]]
    return "\n".join([*lines, "", TRIED])


def verdict_table(result: Result) -> Table:
    """Return a table of one benchmark's comparisons for the terminal."""
    table = Table("compared", "result", "target", "", title=result["name"], title_justify="left")
    for row in result["compared"]:
        verdict = met(row)
        table.add_row(
            row["what"],
            value_text(row),
            target_text(row),
            VERDICT[verdict],
            style={True: "green", False: "red", None: None}[verdict],
        )
    return table


def read_results(folder: Path) -> list[dict[str, Any]]:
    """Return the results in a folder, in the order of `BENCHMARKS`."""
    alone = ("overhead", "estimate", "epochs", "copies", "gpu")  # are run by themselves
    order = [*dict.fromkeys(name for name, _ in BENCHMARKS), *alone]
    results = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]
    return sorted(results, key=lambda result: (order.index(result["name"].partition("-")[0]), result["name"]))


def run_benchmarks(folder: Path, quick: bool, console: Console) -> bool:
    """Run all benchmarks, results into a folder, and show their comparisons; return whether all ran to their end."""
    complete = True
    for name, backend in BENCHMARKS:
        if find_spec(backend) is None:
            console.print(f"{name} on {backend}: not installed")
            continue
        begin = time.perf_counter()
        command = [sys.executable, str(FOLDER / f"{name}.py"), "--output", str(folder), *(["--quick"] if quick else [])]
        done = subprocess.run(
            command,
            cwd=FOLDER.parent,
            env={**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            console.print(f"{name} on {backend}: failed with exit code {done.returncode}", style="red")
            complete = False
            continue
        console.print(f"{name} on {backend}: {time.perf_counter() - begin:.0f} s")
        written = Path(done.stdout.splitlines()[-1])
        console.print(verdict_table(json.loads(written.read_text(encoding="utf-8"))))
    return complete


def main() -> None:
    """Run the benchmarks and write the page; exit code 1 if one of them failed."""
    parser = arguments(__doc__)
    parser.add_argument("--page", type=Path, help="the page to write (docs/performance.md; with --quick none)")
    parser.add_argument("--page-only", action="store_true", help="write the page from the results that are there")
    options = parser.parse_args()
    folder = (options.output or (RESULTS / "quick" if options.quick else RESULTS)).resolve()
    page = options.page or (None if options.quick else PAGE)
    complete = options.page_only or run_benchmarks(folder, options.quick, Console())
    if page:
        page.write_text(performance_page(read_results(folder)), encoding="utf-8")
        print(page)
    sys.exit(0 if complete else 1)


if __name__ == "__main__":
    main()
