"""Section 4: train the model."""


rule train:
    """Section 4: train one model at one mask ratio and seed."""
    input:
        arrays="results/{survey}/dataset/arrays",
        split="results/{survey}/dataset/split.npz",
    output:
        model=directory("results/{survey}/models/{model}/mask{mask}/seed{seed}"),
    log:
        "results/{survey}/logs/train/{model}/mask{mask}/seed{seed}.log",
    benchmark:
        "results/{survey}/benchmarks/train/{model}/mask{mask}/seed{seed}.tsv"
    wildcard_constraints:
        model="|".join(SETTINGS.models),
    conda:
        "../../envs/environment.yaml"
    threads: SETTINGS.training.threads
    resources:
        mem_mb=4000,
        runtime=720,
        # one training a GPU: profiles/default says how many there are
        gpu=0 if SETTINGS.training.device == "cpu" else 1,
    params:
        settings=lambda wildcards: settings(f"models.{wildcards.model}", "training"),
        code=lambda wildcards: code(
            "mmae.cli.training:train",
            f"mmae.models.{SETTINGS.models[wildcards.model].kind}",
        ),
    shell:
        """
        mmae train \
            --config {params.settings:q} \
            --arrays {input.arrays:q} \
            --split {input.split:q} \
            --model {wildcards.model:q} \
            --mask {wildcards.mask:q} \
            --seed {wildcards.seed:q} \
            --output {output.model:q} \
            2>&1 | tee {log:q}
        """
