# Phase report: tables of medians, figures, and the page that shows them.
rule all_report:
    input:
        layout.report_file(),
        runs.figure_files(PARAMS),
        layout.table_files(),


rule tables:
    input:
        runs.run_files(PARAMS),
        runs.distance_files(PARAMS),
    output:
        layout.table_files(),
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
        layout.table_files(),
        runs.sample_shard_files(PARAMS),
    output:
        runs.figure_files(PARAMS),
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
        layout.table_files(),
        runs.figure_files(PARAMS),
        # The page's template is code that a module's hash does not see.
        template="src/freeconv/templates/report.html.j2",
    output:
        layout.report_file(),
    log:
        "logs/report.log",
    benchmark:
        "logs/report.tsv"
    params:
        params=PARAMS.text(),
        code=code_hash("freeconv.report"),
    shell:
        "freeconv report {params.params:q} > {log} 2>&1"
