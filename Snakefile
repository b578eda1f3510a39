# The study, from images to the report. `snakemake` makes everything that params.yaml asks for.
configfile: "params.yaml"


include: "workflow/rules/common.smk"


wildcard_constraints:
    dataset=r"[a-z0-9_-]+",
    network=variants.NAME,
    augmentation="none|translate|rotate|noise|edge_noise",
    level=r"0|0\.[0-9]+|[0-9.]+e-[0-9]+",
    copy_index=r"\d+",
    fold=r"\d+",


include: "workflow/rules/data.smk"
include: "workflow/rules/shards.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/distance.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        rules.all_report.input,


onsuccess:
    tell_problems()
