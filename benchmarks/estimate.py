"""What `freeconv estimate` says of training jobs is within a quarter of the processor time that Snakemake measures.

Training jobs of the demo (params.yaml) on a processor, run by Snakemake with one thread each, and `cpu_time` of their
benchmark files. Beside that of each job stands what is estimated by timed steps, as where nothing is stored, and what
by stored runs: those of the other jobs of the same network, this job's left out. Numbers are over jobs.

Target: off by no more than 25 %.

    python benchmarks/estimate.py                  # runs the study, about a quarter of an hour
    python benchmarks/estimate.py --study FOLDER   # a copy of the project in which Snakemake has run it, or a part
"""

import csv
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from measuring import arguments, compared, measured, write_result
from project import copy_project, run

from freeconv.machine.keras_import import import_keras
from freeconv.planning.estimate import job_cost
from freeconv.planning.images import image_set
from freeconv.planning.speed import LOGS, Speed, fitting_speed, speed_of, start_up, stored_runs, workload
from freeconv.study import grid
from freeconv.study.jobs import TrainConfig
from freeconv.study.params import Params, load_params
from freeconv.vocabulary import level_text

COMMAND = "python benchmarks/estimate.py"
WAYS = ("timed steps", "stored runs")


def finished_jobs(params: Params) -> Iterator[tuple[TrainConfig, Path, float]]:
    """Yield the jobs that Snakemake has run, their benchmark files, and the processor time in these, in seconds."""
    for job in grid.jobs(params):
        file = Path(LOGS, job.dataset, job.network, job.augmentation, f"{level_text(job.levels[0])}.tsv")
        if file.is_file():
            with file.open(newline="", encoding="utf-8") as rows:
                yield job, file, float(next(csv.DictReader(rows, delimiter="\t"))["cpu_time"])


def estimates(params: Params) -> Iterator[tuple[str, str, float, float]]:
    """Yield network, way of estimating, processor seconds estimated and measured, of each finished job here."""
    _, seconds_up = start_up()
    runs, timed = list(stored_runs()), {}
    for job, file, seconds in finished_jobs(params):
        data = image_set(params, job.dataset)
        wanted = workload(job, data.shape)
        if wanted not in timed:
            timed[wanted] = fitting_speed(wanted, data.classes, None, seconds_up)
        others = [run for run in runs if run.workload == wanted and run.benchmark != file]
        speeds: dict[str, Speed] = {"timed steps": timed[wanted]}
        if others:
            speeds["stored runs"] = speed_of(others)
        for way, speed in speeds.items():
            yield job.network.upper(), way, job_cost(job, data, {wanted: speed})["seconds"], seconds


def main() -> None:
    """Measure and write the results."""
    parser = arguments(__doc__)
    parser.add_argument("--study", type=Path, help="folder in which Snakemake has run the study")
    options = parser.parse_args()
    output = options.output and options.output.resolve()
    import_keras(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.study or Path(temporary)
        params = "params/smoke.yaml" if options.quick else "params.yaml"
        if not options.study:
            copy_project(folder)
            run(folder, "snakemake", "all_train", "-c1", "--configfile", params)
        here = Path.cwd()
        os.chdir(folder)
        found = list(estimates(load_params(params)))
        os.chdir(here)
    kinds: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for network, way, *seconds in found:
        kinds[network, way].append((seconds[0], seconds[1]))
    comparisons = [
        compared(f"{network}, by {way}: off by", [100 * abs(one / other - 1) for one, other in pairs], "≤ 25", "%")
        for (network, way), pairs in kinds.items()
    ]
    measurements = [
        row
        for (network, way), pairs in kinds.items()
        for row in (
            *([measured(f"{network}: a job", [other for _, other in pairs], "s")] if way == WAYS[0] else []),
            measured(f"{network}, by {way}: estimated / measured", [one / other for one, other in pairs], ""),
        )
    ]
    options.output = output
    jobs = len([way for _, way, *_ in found if way == WAYS[0]])
    command = COMMAND + (" --study FOLDER" if options.study else "")
    write_result("estimate", __doc__, command, f"{jobs} jobs", measurements, comparisons, options)


if __name__ == "__main__":
    main()
