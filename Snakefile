# The study, from images to the report. `snakemake` makes everything that params.yaml asks for.
configfile: "params.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/shards.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/distance.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        rules.all_report.input,
