# Phase data: every dataset as one HDF5 file.
rule all_data:
    input:
        grid.data_files(PARAMS),


rule fetch:
    output:
        paths.data_file("{dataset}"),
    log:
        "logs/fetch/{dataset}.log",
    benchmark:
        "logs/fetch/{dataset}.tsv"
    params:
        options=fetch_options,
        raw=fetch_raw,
        code=lambda wildcards: code.fetch_code(wildcards.dataset),
    shell:
        "freeconv fetch {wildcards.dataset} {params.options:q} --code {params.code} > {log} 2>&1"
