"""Section 5: predict the test galaxies and measure."""


rule evaluate:
    """Section 5: predict redshifts and reconstruct galaxies under one view of the test set."""
    input:
        arrays="results/{survey}/dataset/arrays",
        split="results/{survey}/dataset/split.npz",
        model="results/{survey}/models/{model}/mask{mask}/seed{seed}",
    output:
        predictions="results/{survey}/evaluation/{model}/mask{mask}/seed{seed}/{view}/predictions.csv",
        reconstructions="results/{survey}/evaluation/{model}/mask{mask}/seed{seed}/{view}/reconstructions.npz",
    log:
        "results/{survey}/logs/evaluate/{model}/mask{mask}/seed{seed}/{view}.log",
    benchmark:
        "results/{survey}/benchmarks/evaluate/{model}/mask{mask}/seed{seed}/{view}.tsv"
    wildcard_constraints:
        model="|".join(SETTINGS.models),
    conda:
        "../../envs/environment.yaml"
    threads: SETTINGS.evaluation.threads
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        settings=lambda wildcards: settings("evaluation"),
        code=lambda wildcards: code(
            "mmae.cli.evaluation:evaluate",
            f"mmae.models.{SETTINGS.models[wildcards.model].kind}",
        ),
    shell:
        """
        mmae evaluate \
            --config {params.settings:q} \
            --arrays {input.arrays:q} \
            --split {input.split:q} \
            --model {input.model:q} \
            --view {wildcards.view:q} \
            --predictions {output.predictions:q} \
            --reconstructions {output.reconstructions:q} \
            2>&1 | tee {log:q}
        """


rule baseline:
    """Section 5: fit a sanity baseline and predict the test galaxies."""
    input:
        arrays="results/{survey}/dataset/arrays",
        split="results/{survey}/dataset/split.npz",
    output:
        predictions="results/{survey}/evaluation/{model}/mask0.00/seed{seed}/image0.00-spectrum1.00/predictions.csv",
    log:
        "results/{survey}/logs/baseline/{model}/seed{seed}.log",
    benchmark:
        "results/{survey}/benchmarks/baseline/{model}/seed{seed}.tsv"
    wildcard_constraints:
        model="|".join(SETTINGS.baselines),
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=lambda wildcards: settings(f"baselines.{wildcards.model}"),
        code=code("mmae.cli.evaluation:baseline"),
    shell:
        """
        mmae baseline \
            --config {params.settings:q} \
            --arrays {input.arrays:q} \
            --split {input.split:q} \
            --baseline {wildcards.model:q} \
            --seed {wildcards.seed:q} \
            --predictions {output.predictions:q} \
            2>&1 | tee {log:q}
        """


rule score:
    """Section 5: compute all redshift metrics of one run."""
    input:
        predictions="results/{survey}/evaluation/{model}/mask{mask}/seed{seed}/{view}/predictions.csv",
    output:
        metrics="results/{survey}/evaluation/{model}/mask{mask}/seed{seed}/{view}/metrics.json",
    log:
        "results/{survey}/logs/score/{model}/mask{mask}/seed{seed}/{view}.log",
    benchmark:
        "results/{survey}/benchmarks/score/{model}/mask{mask}/seed{seed}/{view}.tsv"
    wildcard_constraints:
        survey=f"{COMPUTED}|published",
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        settings=lambda wildcards: settings("scoring"),
        code=code("mmae.cli.evaluation:score"),
    shell:
        """
        mmae score \
            --config {params.settings:q} \
            --predictions {input.predictions:q} \
            --survey {wildcards.survey:q} \
            --model {wildcards.model:q} \
            --mask {wildcards.mask:q} \
            --seed {wildcards.seed:q} \
            --view {wildcards.view:q} \
            --metrics {output.metrics:q} \
            2>&1 | tee {log:q}
        """
