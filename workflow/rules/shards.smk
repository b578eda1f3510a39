# Phase shards: augmented passes over a dataset, shared by all networks and folds.
rule all_shards:
    input:
        runs.shard_files(PARAMS),


def shard_config(wildcards):
    """Return the configuration of a shard, as JSON."""
    return runs.shard_config(
        PARAMS,
        wildcards.dataset,
        wildcards.augmentation,
        float(wildcards.level),
        int(wildcards.copy_index),
    ).text()


rule shard:
    input:
        layout.data_file("{dataset}"),
    output:
        layout.shard_file("{dataset}", "{augmentation}", "{level}", "{copy_index}"),
    log:
        "logs/shard/{dataset}/{augmentation}/{level}/copy-{copy_index}.log",
    benchmark:
        "logs/shard/{dataset}/{augmentation}/{level}/copy-{copy_index}.tsv"
    params:
        config=shard_config,
        compression=PARAMS.shards.compression,
        code=code_hash("freeconv.shard"),
    shell:
        "freeconv shard {params.config:q} --compression {params.compression} > {log} 2>&1"
