# Phase data: every dataset as one HDF5 file.
rule all_data:
    input:
        runs.data_files(PARAMS),


rule fetch:
    output:
        layout.data_file("{dataset}"),
    log:
        "logs/fetch/{dataset}.log",
    benchmark:
        "logs/fetch/{dataset}.tsv"
    params:
        options=fetch_options,
        raw=fetch_raw,
        code=code_hash("freeconv.fetch"),
    shell:
        "freeconv fetch {wildcards.dataset} {params.options:q} > {log} 2>&1"
