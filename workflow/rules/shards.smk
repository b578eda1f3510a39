# Phase shards: augmented passes over a dataset, shared by all networks and folds.
rule all_shards:
    input:
        grid.shard_files(PARAMS),


rule shard:
    input:
        paths.data_file("{dataset}"),
    output:
        shard_output(),
    log:
        "logs/shard/{dataset}/{augmentation}/{level}/copy-{copy_index}.log",
    benchmark:
        "logs/shard/{dataset}/{augmentation}/{level}/copy-{copy_index}.tsv"
    params:
        config=text(shard_config),
        compression=PARAMS.shards.compression,
        code=lambda wildcards: code.shard_code(shard_config(wildcards)),
    shell:
        "freeconv shard {params.config:q} --compression {params.compression} --code {params.code} > {log} 2>&1"
