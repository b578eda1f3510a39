# Phase report: tables of medians, figures, and the page that shows them.
rule all_report:
    input:
        paths.report_files(),
        grid.figure_files(PARAMS),
        grid.drawing_files(PARAMS),
        paths.table_files(),
        grid.export_files(PARAMS),


rule tables:
    input:
        grid.data_files(PARAMS),
        grid.run_files(PARAMS),
        grid.distance_files(PARAMS),
        grid.measure_files(PARAMS),
        # Data beside the code, which a module's hash does not see.
        paper=in_project("src/freeconv/analysis/paper.csv"),
        claims=in_project("src/freeconv/study/claims.yaml"),
        calibration=in_project("src/freeconv/analysis/calibration.csv"),
        authors=in_project("src/freeconv/analysis/authors_envelope.csv"),
    # As few outputs as possible: after the job Snakemake hashes all inputs, here all results, once for each of them.
    output:
        held(paths.table_files(), "Tables", paths.shown_table_files()),
    log:
        "logs/tables.log",
    benchmark:
        "logs/tables.tsv"
    params:
        params=tables_text,
        code=code.tables_code(),
    shell:
        "freeconv tables {params.params:q} --code {params.code} > {log} 2>&1"


rule figures:
    input:
        paths.table_files(),
        grid.sample_shard_files(PARAMS),
        grid.kernel_run_files(PARAMS),
        # Data beside the code, which a module's hash does not see.
        authors=in_project("src/freeconv/analysis/authors_envelope.csv"),
    output:
        held(grid.figure_files(PARAMS), "Figures", grid.shown_figure_files(PARAMS)),
    log:
        "logs/figures.log",
    benchmark:
        "logs/figures.tsv"
    params:
        params=study_text,
        code=code.figures_code(PARAMS),
    shell:
        "freeconv figures {params.params:q} --code {params.code} > {log} 2>&1"


rule drawings:
    input:
        grid.data_files(PARAMS),
    output:
        grid.drawing_files(PARAMS),
    log:
        "logs/drawings.log",
    benchmark:
        "logs/drawings.tsv"
    params:
        params=lambda wildcards: grid.drawing_params(PARAMS).text(),
        code=code.drawings_code(PARAMS),
    shell:
        "freeconv drawings {params.params:q} --code {params.code} > {log} 2>&1"


rule report:
    input:
        paths.table_files(),
        grid.figure_files(PARAMS),
        grid.drawing_files(PARAMS),
        # The pages' templates are code that a module's hash does not see.
        templates=sorted(
            str(path)
            for path in Path(in_project("src/freeconv/report/templates")).iterdir()
        ),
    output:
        held(paths.report_files(), "Pages", paths.report_files()),
        grid.export_files(PARAMS),
    log:
        "logs/report.log",
    benchmark:
        "logs/report.tsv"
    params:
        params=study_text,
        code=code.report_code(PARAMS),
    shell:
        "freeconv report {params.params:q} --code {params.code} > {log} 2>&1"
