# Phase report: tables of medians, figures, and the page that shows them.
rule all_report:
    input:
        layout.report_files(),
        runs.figure_files(PARAMS),
        runs.drawing_files(PARAMS),
        layout.table_files(),
        runs.export_files(PARAMS),


rule tables:
    input:
        runs.run_files(PARAMS),
        runs.distance_files(PARAMS),
        runs.measure_files(PARAMS),
        # Data beside the code, which a module's hash does not see.
        paper="src/freeconv/paper.csv",
        claims="src/freeconv/claims.yaml",
    # As few outputs as possible: after the job Snakemake hashes all inputs, here all results, once for each of them.
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
        runs.position_files(PARAMS),
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


rule drawings:
    input:
        runs.data_files(PARAMS),
    output:
        runs.drawing_files(PARAMS),
    log:
        "logs/drawings.log",
    benchmark:
        "logs/drawings.tsv"
    params:
        params=runs.drawing_params(PARAMS).text(),
        code=code_hash("freeconv.drawings"),
    shell:
        "freeconv drawings {params.params:q} > {log} 2>&1"


rule report:
    input:
        layout.table_files(),
        runs.figure_files(PARAMS),
        runs.drawing_files(PARAMS),
        # The pages' templates are code that a module's hash does not see.
        templates=sorted(str(path) for path in Path("src/freeconv/templates").iterdir()),
    output:
        layout.report_files(),
        runs.export_files(PARAMS),
    log:
        "logs/report.log",
    benchmark:
        "logs/report.tsv"
    params:
        params=PARAMS.text(),
        code=code_hash("freeconv.report"),
    shell:
        "freeconv report {params.params:q} > {log} 2>&1"
