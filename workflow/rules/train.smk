# Phase train: one rule per study, because each has networks and levels of its own.
rule all_train:
    input:
        grid.run_files(PARAMS),


for STUDY in grid.studies(PARAMS):

    rule:
        name:
            f"train_{STUDY.name}"
        input:
            paths.data_file("{dataset}"),
            train_shards(STUDY),
            train_parents(STUDY),
        output:
            # kept, so that a job leaves complete runs as they are and continues shorter ones
            update(train_results(STUDY)),
        log:
            f"logs/train/{train_job(STUDY)}.log",
        benchmark:
            f"logs/train/{train_job(STUDY)}.tsv"
        wildcard_constraints:
            network="|".join(STUDY.networks),
            level="|".join(level_text(level) for level in STUDY.levels),
        threads: 1
        resources:
            gpu=1,
            mem_mb=3000,
            stack=PARAMS.train.stack,
            versions=PARAMS.train.versions,
        params:
            config=text(train_config(STUDY)),
            code=train_code(STUDY),
            versions=train_versions(),
        shell:
            # a line of JSON per epoch beside the log; no log to Snakemake, which deletes those before a job goes on
            "log={log:q}; freeconv train {params.config:q} --threads {threads} --stack {resources.stack}"
            " --code {params.code} --versions {resources.versions}"
            ' --lines "${{log%.log}}.jsonl" > "$log" 2>&1'
