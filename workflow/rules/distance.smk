# Phase distance: how far apart the kernels of a free network are, per epoch.
rule all_distance:
    input:
        grid.distance_files(PARAMS),


rule distance:
    input:
        cell_runs,
    output:
        paths.distance_file("{dataset}", "{network}", "{augmentation}", "{level}"),
    log:
        "logs/distance/{dataset}/{network}/{augmentation}/{level}.log",
    benchmark:
        "logs/distance/{dataset}/{network}/{augmentation}/{level}.tsv"
    params:
        config=text(distance_config),
        code=code.distance_code(),
    shell:
        "freeconv distance {params.config:q} --code {params.code} > {log} 2>&1"
