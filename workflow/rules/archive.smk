"""A model and a finished run as folders for others, and the paper's figures from such a run."""


rule export:
    """Section 4: the headline's model as a folder that others load without this project."""
    input:
        model=f"results/{SURVEY}/models/{runs.headline(SETTINGS).folder}",
        metrics=[
            f"results/{SURVEY}/evaluation/{part.folder}/metrics.json"
            for part in runs.scored(SETTINGS)
            if part.run == runs.headline(SETTINGS)
        ],
        citation=shipped("CITATION.cff"),
    output:
        export=directory(f"results/{SURVEY}/export"),
    log:
        f"results/{SURVEY}/logs/export.log",
    benchmark:
        f"results/{SURVEY}/benchmarks/export.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(4000),
        runtime=on_retry(30),
    params:
        settings=lambda wildcards: settings(*config),
        metrics=lambda wildcards, input: [f"--metrics={path}" for path in input.metrics],
        code=code(
            "mmae.cli.archive:export",
            f"mmae.models.{SETTINGS.models[HEADLINE.model].kind}",
            *modality_kinds(),
        ),
    shell:
        """
        mmae export {input.model:q} \
            --config {params.settings:q} \
            {params.metrics:q} \
            --output {output.export:q} \
            --citation {input.citation:q} \
            2>&1 | tee {log:q}
        """


rule archive:
    """Sections 1 to 5: pack models, predictions, metrics, figures and tables of this survey."""
    input:
        paper=lambda wildcards: rules.all.input,
        run=[f"results/{SURVEY}/{name}" for name in workflow_outputs(SETTINGS)],
        citation=shipped("CITATION.cff"),
    output:
        archive=directory(f"results/{SURVEY}/archive"),
    log:
        f"results/{SURVEY}/logs/archive.log",
    benchmark:
        f"results/{SURVEY}/benchmarks/archive.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(1000),
        runtime=on_retry(30),
    params:
        settings=lambda wildcards: settings(*config),
        survey=SURVEY,
        code=code("mmae.cli.archive:archive"),
    shell:
        """
        mmae archive \
            --config {params.settings:q} \
            --results results/{params.survey:q} \
            --citation {input.citation:q} \
            --output {output.archive:q} \
            2>&1 | tee {log:q}
        """


rule restore:
    """Sections 3 to 5: verify the archive of a run and unpack what figures and tables need."""
    input:
        ARCHIVE.input_file,
    output:
        RESTORED,
    log:
        f"results/{SURVEY}/logs/restore.log",
    benchmark:
        f"results/{SURVEY}/benchmarks/restore.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(1000),
        runtime=on_retry(30),
    params:
        archive=ARCHIVE.path,
        survey=SURVEY,
        code=code("mmae.cli.archive:restore"),
    shell:
        """
        mmae restore \
            --archive {params.archive:q} \
            --results results/{params.survey:q} \
            2>&1 | tee {log:q}
        """
