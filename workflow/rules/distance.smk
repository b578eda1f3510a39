# Phase distance: how far apart the kernels of a free network are, per epoch.
def distance_runs(wildcards):
    """Return the results of all folds."""
    return [
        layout.run_file(
            wildcards.dataset,
            wildcards.network,
            wildcards.augmentation,
            wildcards.level,
            fold,
        )
        for fold in runs.held_out(PARAMS)
    ]


def distance_config(wildcards):
    """Return the configuration of traces, as JSON."""
    return runs.distance_config(
        PARAMS,
        wildcards.dataset,
        wildcards.network,
        wildcards.augmentation,
        float(wildcards.level),
    ).text()


rule all_distance:
    input:
        runs.distance_files(PARAMS),


rule distance:
    input:
        distance_runs,
    output:
        layout.distance_file("{dataset}", "{network}", "{augmentation}", "{level}"),
    log:
        "logs/distance/{dataset}/{network}/{augmentation}/{level}.log",
    benchmark:
        "logs/distance/{dataset}/{network}/{augmentation}/{level}.tsv"
    params:
        config=distance_config,
        code=code_hash("freeconv.distance"),
    shell:
        "freeconv distance {params.config:q} > {log} 2>&1"
