"""Section 5: predict the test galaxies, reconstruct them, and measure."""


rule predict:
    """Section 5.2: predict redshifts under one view of the test and validation galaxies."""
    input:
        arrays="results/{survey}/dataset/arrays",
        split="results/{survey}/dataset/split.npz",
        model="results/{survey}/models/{model}/mask{mask}/seed{seed}",
    output:
        predictions="results/{survey}/evaluation/{model}/mask{mask}/seed{seed}/{view}/predictions.csv",
        validation="results/{survey}/evaluation/{model}/mask{mask}/seed{seed}/{view}/validation.csv",
        speed="results/{survey}/evaluation/{model}/mask{mask}/seed{seed}/{view}/speed.json",
    log:
        "results/{survey}/logs/predict/{model}/mask{mask}/seed{seed}/{view}.log",
    benchmark:
        "results/{survey}/benchmarks/predict/{model}/mask{mask}/seed{seed}/{view}.tsv"
    wildcard_constraints:
        model="|".join(SETTINGS.models),
    conda:
        "../../envs/environment.yaml"
    threads: SETTINGS.evaluation.threads
    resources:
        mem_mb=on_retry(4000),
        runtime=on_retry(60),
        gpu=evaluation_gpu,
    params:
        settings=lambda wildcards: settings("evaluation", "views"),
        code=model_code("mmae.cli.evaluation:predict"),
    shell:
        """
        mmae predict \
            --config {params.settings:q} \
            --arrays {input.arrays:q} \
            --split {input.split:q} \
            --model {input.model:q} \
            --name {wildcards.model:q} \
            --view {wildcards.view:q} \
            --predictions {output.predictions:q} \
            --validation {output.validation:q} \
            --speed {output.speed:q} \
            2>&1 | tee {log:q}
        """


rule reconstruct:
    """Section 5.1: reconstruct the galaxies of the figures under one view."""
    input:
        arrays="results/{survey}/dataset/arrays",
        split="results/{survey}/dataset/split.npz",
        model="results/{survey}/models/{model}/mask{mask}/seed{seed}",
    output:
        reconstructions="results/{survey}/evaluation/{model}/mask{mask}/seed{seed}/{view}/reconstructions.npz",
    log:
        "results/{survey}/logs/reconstruct/{model}/mask{mask}/seed{seed}/{view}.log",
    benchmark:
        "results/{survey}/benchmarks/reconstruct/{model}/mask{mask}/seed{seed}/{view}.tsv"
    wildcard_constraints:
        model="|".join(SETTINGS.models),
    conda:
        "../../envs/environment.yaml"
    threads: SETTINGS.evaluation.threads
    resources:
        mem_mb=on_retry(4000),
        runtime=on_retry(60),
        gpu=evaluation_gpu,
    params:
        settings=lambda wildcards: settings("evaluation", "views"),
        code=model_code("mmae.cli.evaluation:reconstruct"),
    shell:
        """
        mmae reconstruct \
            --config {params.settings:q} \
            --arrays {input.arrays:q} \
            --split {input.split:q} \
            --model {input.model:q} \
            --name {wildcards.model:q} \
            --view {wildcards.view:q} \
            --reconstructions {output.reconstructions:q} \
            2>&1 | tee {log:q}
        """


rule score_reconstruction:
    """Section 5.1: measure reconstructions of test galaxies under one view."""
    input:
        arrays="results/{survey}/dataset/arrays",
        split="results/{survey}/dataset/split.npz",
        model="results/{survey}/models/{model}/mask{mask}/seed{seed}",
    output:
        table="results/{survey}/evaluation/{model}/mask{mask}/seed{seed}/{view}/reconstruction.csv",
    log:
        "results/{survey}/logs/score_reconstruction/{model}/mask{mask}/seed{seed}/{view}.log",
    benchmark:
        "results/{survey}/benchmarks/score_reconstruction/{model}/mask{mask}/seed{seed}/{view}.tsv"
    wildcard_constraints:
        model="|".join(SETTINGS.models),
    conda:
        "../../envs/environment.yaml"
    threads: SETTINGS.evaluation.threads
    resources:
        mem_mb=on_retry(4000),
        runtime=on_retry(60),
        gpu=evaluation_gpu,
    params:
        settings=lambda wildcards: settings("evaluation", "scoring", "views"),
        code=model_code("mmae.cli.evaluation:score_reconstruction"),
    shell:
        """
        mmae score-reconstruction \
            --config {params.settings:q} \
            --arrays {input.arrays:q} \
            --split {input.split:q} \
            --model {input.model:q} \
            --name {wildcards.model:q} \
            --view {wildcards.view:q} \
            --table {output.table:q} \
            2>&1 | tee {log:q}
        """


rule study_masks:
    """Section 4: test one model with different fractions hidden."""
    input:
        arrays="results/{survey}/dataset/arrays",
        split="results/{survey}/dataset/split.npz",
        model="results/{survey}/models/{model}/mask{mask}/seed{seed}",
    output:
        table="results/{survey}/evaluation/{model}/mask{mask}/seed{seed}/study.csv",
    log:
        "results/{survey}/logs/study_masks/{model}/mask{mask}/seed{seed}.log",
    benchmark:
        "results/{survey}/benchmarks/study_masks/{model}/mask{mask}/seed{seed}.tsv"
    wildcard_constraints:
        model="|".join(SETTINGS.models),
    conda:
        "../../envs/environment.yaml"
    threads: SETTINGS.evaluation.threads
    resources:
        mem_mb=on_retry(4000),
        runtime=on_retry(60),
        gpu=evaluation_gpu,
    params:
        settings=lambda wildcards: settings("evaluation", "scoring", "views"),
        tests=[f"--test-mask={mask:.2f}" for mask in GRID.study_masks]
        + [f"--view={view}" for view in GRID.study_views],
        code=model_code("mmae.cli.evaluation:study_masks"),
    shell:
        """
        mmae study-masks \
            --config {params.settings:q} \
            --arrays {input.arrays:q} \
            --split {input.split:q} \
            --model {input.model:q} \
            --name {wildcards.model:q} \
            {params.tests:q} \
            --table {output.table:q} \
            2>&1 | tee {log:q}
        """


rule probe:
    """Section 5.2: read redshifts out of frozen embeddings, as AstroCLIP does."""
    input:
        arrays="results/{survey}/dataset/arrays",
        split="results/{survey}/dataset/split.npz",
        model="results/{survey}/models/{model}/mask{mask}/seed{seed}",
    output:
        embeddings="results/{survey}/evaluation/{model}/mask{mask}/seed{seed}/{view}/embeddings.npz",
        knn_predictions="results/{survey}/evaluation/{model}-knn/mask{mask}/seed{seed}/{view}/predictions.csv",
        knn_validation="results/{survey}/evaluation/{model}-knn/mask{mask}/seed{seed}/{view}/validation.csv",
        mlp_predictions="results/{survey}/evaluation/{model}-mlp/mask{mask}/seed{seed}/{view}/predictions.csv",
        mlp_validation="results/{survey}/evaluation/{model}-mlp/mask{mask}/seed{seed}/{view}/validation.csv",
    log:
        "results/{survey}/logs/probe/{model}/mask{mask}/seed{seed}/{view}.log",
    benchmark:
        "results/{survey}/benchmarks/probe/{model}/mask{mask}/seed{seed}/{view}.tsv"
    wildcard_constraints:
        model="|".join(SETTINGS.models),
    conda:
        "../../envs/environment.yaml"
    threads: SETTINGS.evaluation.threads
    resources:
        mem_mb=on_retry(4000),
        runtime=on_retry(60),
        gpu=evaluation_gpu,
    params:
        settings=lambda wildcards: settings("evaluation", "views"),
        code=model_code("mmae.cli.evaluation:probe"),
    shell:
        """
        mmae probe \
            --config {params.settings:q} \
            --arrays {input.arrays:q} \
            --split {input.split:q} \
            --model {input.model:q} \
            --name {wildcards.model:q} \
            --view {wildcards.view:q} \
            --seed {wildcards.seed:q} \
            --embeddings {output.embeddings:q} \
            --knn-predictions {output.knn_predictions:q} \
            --knn-validation {output.knn_validation:q} \
            --mlp-predictions {output.mlp_predictions:q} \
            --mlp-validation {output.mlp_validation:q} \
            2>&1 | tee {log:q}
        """


rule score:
    """Section 5.2: compute all redshift metrics of one run."""
    input:
        unpack(forecast),
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
        mem_mb=on_retry(1000),
        runtime=on_retry(30),
    params:
        settings=lambda wildcards: settings("scoring"),
        more=with_validation,
        code=code("mmae.cli.evaluation:score"),
    shell:
        """
        mmae score \
            --config {params.settings:q} \
            --predictions {input.predictions:q} \
            {params.more:q} \
            --survey {wildcards.survey:q} \
            --model {wildcards.model:q} \
            --mask {wildcards.mask:q} \
            --seed {wildcards.seed:q} \
            --view {wildcards.view:q} \
            --metrics {output.metrics:q} \
            2>&1 | tee {log:q}
        """
