"""Section 4: train the models."""


rule train:
    """Section 4: train one model at one mask ratio and seed."""
    input:
        again_unless(
            whole(MODEL), "results/{survey}/models/{model}/mask{mask}/seed{seed}"
        ),
        arrays="results/{survey}/dataset/arrays",
        split="results/{survey}/dataset/split.npz",
    output:
        model=directory("results/{survey}/models/{model}/mask{mask}/seed{seed}"),
        cost="results/{survey}/evaluation/{model}/mask{mask}/seed{seed}/cost.json",
    log:
        "results/{survey}/logs/train/{model}/mask{mask}/seed{seed}.log",
    benchmark:
        "results/{survey}/benchmarks/train/{model}/mask{mask}/seed{seed}.tsv"
    wildcard_constraints:
        model="|".join(SETTINGS.models),
    conda:
        "../../envs/environment.yaml"
    threads: model_threads
    resources:
        mem_mb=on_retry(4000, n_processes),
        runtime=on_retry(720),
        gpu=model_gpu,
    params:
        settings=lambda wildcards: settings(f"models.{wildcards.model}", "training"),
        launcher=launcher,
        # no outputs: Snakemake would delete the one, and the other is no part of a result
        checkpoints="results/{survey}/checkpoints/{model}/mask{mask}/seed{seed}",
        events="results/{survey}/logs/tensorboard/{model}/mask{mask}/seed{seed}",
        code=model_code("mmae.cli.training:train"),
    shell:
        """
        {params.launcher:q} train \
            --config {params.settings:q} \
            --arrays {input.arrays:q} \
            --split {input.split:q} \
            --model {wildcards.model:q} \
            --mask {wildcards.mask:q} \
            --seed {wildcards.seed:q} \
            --output {output.model:q} \
            --cost {output.cost:q} \
            --checkpoints {params.checkpoints:q} \
            --events {params.events:q} \
            2>&1 | tee {log:q}
        """


rule collect_histories:
    """Section 4: join the losses of all trainings, epoch by epoch, and what each was given."""
    input:
        models=[
            f"results/{SURVEY}/models/{run.folder}" for run in runs.trained(SETTINGS)
        ],
    output:
        table="results/{survey}/evaluation/histories.csv",
        trainings="results/{survey}/evaluation/trainings.csv",
    log:
        "results/{survey}/logs/collect_histories.log",
    benchmark:
        "results/{survey}/benchmarks/collect_histories.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(500),
        runtime=on_retry(10),
    params:
        code=code("mmae.cli.training:collect_histories"),
    shell:
        """
        mmae collect-histories {input.models:q} \
            --table {output.table:q} \
            --trainings {output.trainings:q} \
            2>&1 | tee {log:q}
        """


rule tune:
    """Section 4: rank learning rates of one model by its validation loss; not part of a run."""
    input:
        arrays="results/{survey}/dataset/arrays",
        split="results/{survey}/dataset/split.npz",
    output:
        table="results/{survey}/tuning/{model}.csv",
    log:
        "results/{survey}/logs/tune/{model}.log",
    benchmark:
        "results/{survey}/benchmarks/tune/{model}.tsv"
    wildcard_constraints:
        model="|".join(SETTINGS.models),
    conda:
        "../../envs/environment.yaml"
    # one rate after the other, each in one process
    threads: lambda wildcards: training_settings(wildcards).threads
    resources:
        mem_mb=on_retry(4000),
        runtime=on_retry(1440),
        gpu=lambda wildcards: min(1, model_gpu(wildcards)),
    params:
        settings=lambda wildcards: settings(
            f"models.{wildcards.model}", "training", "tuning"
        ),
        code=model_code("mmae.cli.training:tune"),
    shell:
        """
        mmae tune \
            --config {params.settings:q} \
            --arrays {input.arrays:q} \
            --split {input.split:q} \
            --model {wildcards.model:q} \
            --table {output.table:q} \
            2>&1 | tee {log:q}
        """
