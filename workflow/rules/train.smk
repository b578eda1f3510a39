# Phase train: one rule per augmentation, whose job trains the runs that train.fuse puts together.
FUSE = PARAMS.train.fuse
FOLDS = runs.held_out(PARAMS) if "fold" in FUSE else ["{fold}"]


rule all_train:
    input:
        runs.run_files(PARAMS),


def train_levels(augmentation):
    """Return the levels of one job: numbers where they are fused, else the wildcard."""
    return runs.trained_levels(PARAMS)[augmentation] if "level" in FUSE else ["{level}"]


def train_shards(augmentation):
    """Return the shards that one job reads."""
    return [
        layout.shard_file("{dataset}", augmentation, level, copy_index)
        for level in train_levels(augmentation)
        for copy_index in range(runs.shard_copies(PARAMS, augmentation))
    ]


def train_outputs(augmentation):
    """Return the results that one job writes."""
    return [
        layout.run_file("{dataset}", "{network}", augmentation, level, fold)
        for level in train_levels(augmentation)
        for fold in FOLDS
    ]


def train_log(augmentation):
    """Return the stem of a job's log and benchmark files."""
    wildcards = [text for text in (train_levels(augmentation)[0], FOLDS[0]) if "{" in str(text)]
    return "/".join(["logs/train/{dataset}/{network}", augmentation, *wildcards])


def train_config(augmentation):
    """Return the function that gives the configuration of a job, as JSON."""

    def config_text(wildcards):
        fused = runs.trained_levels(PARAMS)[augmentation]
        return runs.train_config(
            PARAMS,
            wildcards.dataset,
            wildcards.network,
            augmentation,
            fused if "level" in FUSE else [float(wildcards.level)],
            runs.held_out(PARAMS) if "fold" in FUSE else [int(wildcards.fold)],
        ).text()

    return config_text


for AUGMENTATION in runs.trained_levels(PARAMS):

    rule:
        name:
            f"train_{AUGMENTATION}"
        input:
            layout.data_file("{dataset}"),
            train_shards(AUGMENTATION),
        output:
            train_outputs(AUGMENTATION),
        log:
            train_log(AUGMENTATION) + ".log",
        benchmark:
            train_log(AUGMENTATION) + ".tsv"
        params:
            config=train_config(AUGMENTATION),
            code=code_hash("freeconv.train"),
        threads: 1
        resources:
            gpu=1,
            mem_mb=3000,
        shell:
            "freeconv train {params.config:q} --threads {threads} > {log} 2>&1"
