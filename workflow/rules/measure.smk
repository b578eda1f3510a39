# Phase measure: what trained networks are like, beyond their accuracies.
rule all_measure:
    input:
        grid.measure_files(PARAMS),


rule measure:
    input:
        paths.data_file("{dataset}"),
        cell_runs,
    output:
        paths.measure_file("{dataset}", "{network}", "{augmentation}", "{level}"),
    log:
        "logs/measure/{dataset}/{network}/{augmentation}/{level}.log",
    benchmark:
        "logs/measure/{dataset}/{network}/{augmentation}/{level}.tsv"
    threads: 1
    resources:
        mem_mb=3000,
    params:
        config=text(measure_config),
        code=lambda wildcards: code.measure_code(measure_config(wildcards)),
    shell:
        "freeconv measure {params.config:q} --threads {threads} --code {params.code} > {log} 2>&1"
