# Phase report: tables of medians, figures, and the page that shows them.
from freeconv.figures import figure_files
from freeconv.tables import table_files


rule all_report:
    input:
        "reports/index.html",
        figure_files(PARAMS),
        table_files(),


rule tables:
    input:
        runs.run_files(PARAMS),
        runs.distance_files(PARAMS),
    output:
        table_files(),
    log:
        "logs/tables.log",
    benchmark:
        "logs/tables.tsv"
    params:
        params=PARAMS.text(),
        code=code_hash("freeconv.tables"),
    shell:
        "freeconv tables {params.params:q} > {log} 2>&1"


rule figures:
    input:
        table_files(),
        runs.sample_shard_files(PARAMS),
    output:
        figure_files(PARAMS),
    log:
        "logs/figures.log",
    benchmark:
        "logs/figures.tsv"
    params:
        params=PARAMS.text(),
        code=code_hash("freeconv.figures"),
    shell:
        "freeconv figures {params.params:q} > {log} 2>&1"


rule report:
    input:
        table_files(),
        figure_files(PARAMS),
    output:
        "reports/index.html",
    log:
        "logs/report.log",
    benchmark:
        "logs/report.tsv"
    params:
        params=PARAMS.text(),
        code=code_hash("freeconv.report"),
    shell:
        "freeconv report {params.params:q} > {log} 2>&1"
