# Phase data: every dataset as one HDF5 file.
from freeconv.fetch import raw_sha256


rule all_data:
    input:
        runs.data_files(PARAMS),


def fetch_options(wildcards):
    """Return the options of `freeconv fetch` that decide the file's content."""
    source = PARAMS.data.folders.get(wildcards.dataset)
    return ["--seed", PARAMS.seed] + (["--source", source] if source else [])


def fetch_raw(wildcards):
    """Return the hash of the raw files, so that changed ones are noticed."""
    return raw_sha256(wildcards.dataset, PARAMS.data.folders.get(wildcards.dataset))


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
