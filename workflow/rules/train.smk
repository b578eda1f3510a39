# Phase train: one rule per augmentation, because each has levels of its own.
rule all_train:
    input:
        runs.run_files(PARAMS),


for AUGMENTATION in TRAIN_LEVELS:

    rule:
        name:
            f"train_{AUGMENTATION}"
        input:
            layout.data_file("{dataset}"),
            train_shards(AUGMENTATION),
        output:
            train_results(AUGMENTATION),
        log:
            f"logs/train/{TRAIN_JOB}.log".replace("{augmentation}", AUGMENTATION),
        benchmark:
            f"logs/train/{TRAIN_JOB}.tsv".replace("{augmentation}", AUGMENTATION)
        threads: 1
        resources:
            gpu=1,
            mem_mb=3000,
            stack=PARAMS.train.stack,
        params:
            config=train_config(AUGMENTATION),
            code=code_hash("freeconv.train"),
        shell:
            "freeconv train {params.config:q} --threads {threads} --stack {resources.stack} > {log} 2>&1"
