# The study, from images to the report. `snakemake` makes everything that params.yaml asks for.
include: "workflow/rules/common.smk"


report: "workflow/report/workflow.rst"


wildcard_constraints:
    dataset=r"[a-z0-9_-]+",
    network=network_names.NAME,
    augmentation="|".join(AUGMENTATIONS),
    level=r"0|0\.[0-9]*[1-9]|[1-9](\.[0-9]*[1-9])?e-[0-9]+",
    copy_index=r"\d+",
    fold=r"\d+(-seed-[1-9]\d*)?",


include: "workflow/rules/data.smk"
include: "workflow/rules/shards.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/distance.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/report.smk"


if workflow.is_main_process:
    check_planned()


rule all:
    default_target: True
    input:
        rules.all_report.input,


# Before the first job; not for dry runs, nor in the Snakemake that runs a single job on a cluster's node.
onstart:
    hold_run()
    check_study_images()
    repair_files()
    if workflow.local_exec:
        # The limit protects the queues of clusters. Here it only costs: while jobs run, Snakemake 9.27 looks for more
        # of them once a second for each job that has ended, in the end with a processor core of its own.
        workflow.scheduler.job_rate_limiter = None


onsuccess:
    open_notes()
    tell_problems()


onerror:
    open_notes()
