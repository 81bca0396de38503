"""Sections 4 and 5, and past them: all models compared, and what the paper leaves to later work.

Each is a notebook that papermill runs, as in paper.smk.
"""


rule comparison:
    """Section 5.2: every model on the same galaxies, beside published values."""
    input:
        unpack(compared_runs),
        notebook=shipped("notebooks/comparison.ipynb"),
    output:
        table=report(
            "results/{survey}/paper/tables/comparison.csv",
            caption="../report/comparison.rst",
            category="Tables",
            labels={"table": "Comparison of redshift scatter"},
        ),
        table_md="results/{survey}/paper/tables/comparison.md",
        table_tex="results/{survey}/paper/tables/comparison.tex",
        had=report(
            "results/{survey}/paper/tables/trainings.csv",
            caption="../report/trainings.rst",
            category="Tables",
            labels={"table": "What each model was trained with"},
        ),
        had_md="results/{survey}/paper/tables/trainings.md",
        had_tex="results/{survey}/paper/tables/trainings.tex",
        figure="results/{survey}/paper/figures/comparison.pdf",
        figure_png=report(
            "results/{survey}/paper/figures/comparison.png",
            caption="../report/comparison_figure.rst",
            category="Figures",
            labels={"figure": "Comparison of redshift scatter"},
        ),
        differences="results/{survey}/paper/figures/differences.pdf",
        differences_png=report(
            "results/{survey}/paper/figures/differences.png",
            caption="../report/differences.rst",
            category="Figures",
            labels={"figure": "Paired differences"},
        ),
    log:
        notebook="results/{survey}/paper/notebooks/comparison.ipynb",
    benchmark:
        "results/{survey}/benchmarks/comparison.tsv"
    wildcard_constraints:
        survey=OURS_OR_PUBLISHED,
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(2000),
        runtime=on_retry(15),
    params:
        folders=lambda wildcards, input: folders(input.metrics),
        reference=reference,
        published_as=json.dumps(published_as(SETTINGS)),
        view_labels=view_labels(),
        hidden_whole=hidden_whole(),
        # published predictions have none
        trainings=lambda wildcards, input: (
            ["--set", "trainings", input.trainings] if input.get("trainings") else []
        ),
        scoring=SETTINGS.scoring,
        code=code("mmae.cli.paper:notebook", shipped("notebooks/comparison.ipynb")),
    shell:
        """
        mmae notebook {input.notebook:q} {log.notebook:q} \
            --set folders {params.folders:q} \
            --set reference {params.reference:q} \
            --set published_as {params.published_as:q} \
            --set view_labels {params.view_labels:q} \
            --set hidden_whole {params.hidden_whole:q} \
            {params.trainings:q} \
            --set bootstrap "{params.scoring.bootstrap_samples} {params.scoring.bootstrap_seed}" \
            --set low_redshift {params.scoring.low_redshift} \
            --set table {output.table:q} \
            --set had {output.had:q} \
            --set figure {output.figure:q} \
            --set differences {output.differences:q}
        """


rule history:
    """Section 4: how the trainings went, epoch by epoch."""
    input:
        histories="results/{survey}/evaluation/histories.csv",
        notebook=shipped("notebooks/history.ipynb"),
    output:
        figure="results/{survey}/paper/figures/history.pdf",
        figure_png=report(
            "results/{survey}/paper/figures/history.png",
            caption="../report/history.rst",
            category="Figures",
            labels={"figure": "Trainings"},
        ),
    log:
        notebook="results/{survey}/paper/notebooks/history.ipynb",
    benchmark:
        "results/{survey}/benchmarks/history.tsv"
    wildcard_constraints:
        survey=SURVEY,
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(2000),
        runtime=on_retry(15),
    params:
        code=code("mmae.cli.paper:notebook", shipped("notebooks/history.ipynb")),
    shell:
        """
        mmae notebook {input.notebook:q} {log.notebook:q} \
            --set histories {input.histories:q} \
            --set figure {output.figure:q}
        """


rule masking:
    """Section 4: redshifts and reconstructions by mask ratio, in training and in the test."""
    input:
        studies=evaluated(runs.masks_studied, "study.csv"),
        notebook=shipped("notebooks/masking.ipynb"),
    output:
        figure="results/{survey}/paper/figures/masking.pdf",
        figure_png=report(
            "results/{survey}/paper/figures/masking.png",
            caption="../report/masking.rst",
            category="Figures",
            labels={"figure": "Mask ratios in training and test"},
        ),
        table=report(
            "results/{survey}/paper/tables/masking.csv",
            caption="../report/masking_table.rst",
            category="Tables",
            labels={"table": "Mask ratios in training and test"},
        ),
        table_md="results/{survey}/paper/tables/masking.md",
        table_tex="results/{survey}/paper/tables/masking.tex",
    log:
        notebook="results/{survey}/paper/notebooks/masking.ipynb",
    benchmark:
        "results/{survey}/benchmarks/masking.tsv"
    wildcard_constraints:
        survey=SURVEY,
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(2000),
        runtime=on_retry(15),
    params:
        low_redshift=SETTINGS.scoring.low_redshift,
        code=code("mmae.cli.paper:notebook", shipped("notebooks/masking.ipynb")),
    shell:
        """
        mmae notebook {input.notebook:q} {log.notebook:q} \
            --set studies "{input.studies}" \
            --set table {output.table:q} \
            --set low_redshift {params.low_redshift} \
            --set figure {output.figure:q}
        """


rule missing:
    """Section 6: redshifts and reconstructions where bands, arms or pixels are missing."""
    input:
        studies=evaluated(runs.missing, "study.csv"),
        notebook=shipped("notebooks/missing.ipynb"),
    output:
        figure="results/{survey}/paper/figures/missing.pdf",
        figure_png=report(
            "results/{survey}/paper/figures/missing.png",
            caption="../report/missing.rst",
            category="Figures",
            labels={"figure": "Bands, arms and pixels missing"},
        ),
        table=report(
            "results/{survey}/paper/tables/missing.csv",
            caption="../report/missing_table.rst",
            category="Tables",
            labels={"table": "Bands, arms and pixels missing"},
        ),
        table_md="results/{survey}/paper/tables/missing.md",
        table_tex="results/{survey}/paper/tables/missing.tex",
    log:
        notebook="results/{survey}/paper/notebooks/missing.ipynb",
    benchmark:
        "results/{survey}/benchmarks/missing.tsv"
    wildcard_constraints:
        survey=SURVEY,
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(2000),
        runtime=on_retry(15),
    params:
        view_labels=view_labels(),
        code=code("mmae.cli.paper:notebook", shipped("notebooks/missing.ipynb")),
    shell:
        """
        mmae notebook {input.notebook:q} {log.notebook:q} \
            --set studies "{input.studies}" \
            --set view_labels {params.view_labels:q} \
            --set table {output.table:q} \
            --set figure {output.figure:q}
        """


rule unpaired:
    """Section 3, and past it: images that have no spectrum join the training."""
    input:
        metrics=evaluated(runs.scored, "metrics.json"),
        notebook=shipped("notebooks/unpaired.ipynb"),
    output:
        figure="results/{survey}/paper/figures/unpaired.pdf",
        figure_png=report(
            "results/{survey}/paper/figures/unpaired.png",
            caption="../report/unpaired.rst",
            category="Figures",
            labels={"figure": "Images without a spectrum"},
        ),
        table=report(
            "results/{survey}/paper/tables/unpaired.csv",
            caption="../report/unpaired_table.rst",
            category="Tables",
            labels={"table": "Images without a spectrum"},
        ),
        table_md="results/{survey}/paper/tables/unpaired.md",
        table_tex="results/{survey}/paper/tables/unpaired.tex",
    log:
        notebook="results/{survey}/paper/notebooks/unpaired.ipynb",
    benchmark:
        "results/{survey}/benchmarks/unpaired.tsv"
    wildcard_constraints:
        survey=SURVEY,
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(2000),
        runtime=on_retry(15),
    params:
        folders=lambda wildcards, input: folders(input.metrics),
        n_unpaired=json.dumps(runs.unpaired(SETTINGS)),
        view_labels=view_labels(),
        low_redshift=SETTINGS.scoring.low_redshift,
        code=code("mmae.cli.paper:notebook", shipped("notebooks/unpaired.ipynb")),
    shell:
        """
        mmae notebook {input.notebook:q} {log.notebook:q} \
            --set folders {params.folders:q} \
            --set n_unpaired {params.n_unpaired:q} \
            --set view_labels {params.view_labels:q} \
            --set low_redshift {params.low_redshift} \
            --set table {output.table:q} \
            --set figure {output.figure:q}
        """


rule uncertainty:
    """Section 5.2: whether models are as sure as they should be."""
    input:
        unpack(compared_runs),
        notebook=shipped("notebooks/uncertainty.ipynb"),
    output:
        table=report(
            "results/{survey}/paper/tables/uncertainty.csv",
            caption="../report/uncertainty_table.rst",
            category="Tables",
            labels={"table": "Calibration"},
        ),
        table_md="results/{survey}/paper/tables/uncertainty.md",
        table_tex="results/{survey}/paper/tables/uncertainty.tex",
        figure="results/{survey}/paper/figures/uncertainty.pdf",
        figure_png=report(
            "results/{survey}/paper/figures/uncertainty.png",
            caption="../report/uncertainty.rst",
            category="Figures",
            labels={"figure": "Calibration"},
        ),
    log:
        notebook="results/{survey}/paper/notebooks/uncertainty.ipynb",
    benchmark:
        "results/{survey}/benchmarks/uncertainty.tsv"
    wildcard_constraints:
        survey=SURVEY,
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(2000),
        runtime=on_retry(15),
    params:
        folders=lambda wildcards, input: folders(input.metrics),
        view_labels=view_labels(),
        code=code("mmae.cli.paper:notebook", shipped("notebooks/uncertainty.ipynb")),
    shell:
        """
        mmae notebook {input.notebook:q} {log.notebook:q} \
            --set folders {params.folders:q} \
            --set view_labels {params.view_labels:q} \
            --set table {output.table:q} \
            --set figure {output.figure:q}
        """


rule reconstruction:
    """Section 5.1: how well hidden parts are reconstructed."""
    input:
        tables=evaluated(runs.measured, "reconstruction.csv", runs.BOTH_HIDDEN),
        from_images=evaluated(runs.measured, "reconstruction.csv", runs.HEADLINE_VIEW),
        notebook=shipped("notebooks/reconstruction.ipynb"),
    output:
        table=report(
            "results/{survey}/paper/tables/reconstruction.csv",
            caption="../report/reconstruction_table.rst",
            category="Tables",
            labels={"table": "Reconstruction"},
        ),
        table_md="results/{survey}/paper/tables/reconstruction.md",
        table_tex="results/{survey}/paper/tables/reconstruction.tex",
        figure="results/{survey}/paper/figures/reconstruction.pdf",
        figure_png=report(
            "results/{survey}/paper/figures/reconstruction.png",
            caption="../report/reconstruction.rst",
            category="Figures",
            labels={"figure": "Reconstruction"},
        ),
        line_table=report(
            "results/{survey}/paper/tables/lines.csv",
            caption="../report/lines_table.rst",
            category="Tables",
            labels={"table": "Lines"},
        ),
        line_table_md="results/{survey}/paper/tables/lines.md",
        line_table_tex="results/{survey}/paper/tables/lines.tex",
        lines="results/{survey}/paper/figures/lines.pdf",
        lines_png=report(
            "results/{survey}/paper/figures/lines.png",
            caption="../report/lines.rst",
            category="Figures",
            labels={"figure": "Lines"},
        ),
    log:
        notebook="results/{survey}/paper/notebooks/reconstruction.ipynb",
    benchmark:
        "results/{survey}/benchmarks/reconstruction.tsv"
    wildcard_constraints:
        survey=SURVEY,
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(2000),
        runtime=on_retry(15),
    params:
        code=code("mmae.cli.paper:notebook", shipped("notebooks/reconstruction.ipynb")),
    shell:
        """
        mmae notebook {input.notebook:q} {log.notebook:q} \
            --set tables "{input.tables}" \
            --set from_images "{input.from_images}" \
            --set table {output.table:q} \
            --set figure {output.figure:q} \
            --set line_table {output.line_table:q} \
            --set lines {output.lines:q}
        """


rule embeddings:
    """Section 5.2: neighbourhoods of embeddings, and from images to their spectra."""
    input:
        embeddings=evaluated(runs.embedded, "embeddings.npz"),
        notebook=shipped("notebooks/embeddings.ipynb"),
    output:
        table=report(
            "results/{survey}/paper/tables/retrieval.csv",
            caption="../report/retrieval.rst",
            category="Tables",
            labels={"table": "From images to their spectra"},
        ),
        table_md="results/{survey}/paper/tables/retrieval.md",
        table_tex="results/{survey}/paper/tables/retrieval.tex",
        figure="results/{survey}/paper/figures/embeddings.pdf",
        figure_png=report(
            "results/{survey}/paper/figures/embeddings.png",
            caption="../report/embeddings.rst",
            category="Figures",
            labels={"figure": "Embeddings"},
        ),
    log:
        notebook="results/{survey}/paper/notebooks/embeddings.ipynb",
    benchmark:
        "results/{survey}/benchmarks/embeddings.tsv"
    wildcard_constraints:
        survey=SURVEY,
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(2000),
        runtime=on_retry(15),
    params:
        seed=SETTINGS.evaluation.seed,
        code=code("mmae.cli.paper:notebook", shipped("notebooks/embeddings.ipynb")),
    shell:
        """
        mmae notebook {input.notebook:q} {log.notebook:q} \
            --set embeddings "{input.embeddings}" \
            --set seed {params.seed} \
            --set table {output.table:q} \
            --set figure {output.figure:q}
        """


rule compare_models:
    """Section 5, and past it: what the new model must show, and whether it does; `make compare`."""
    input:
        unpack(compared_runs),
        bands=evaluated(runs.without_bands, "metrics.json"),
        quality=evaluated(runs.rebuilt, "reconstruction.csv"),
    output:
        table="results/{survey}/paper/tables/targets.csv",
        table_md="results/{survey}/paper/tables/targets.md",
        table_tex="results/{survey}/paper/tables/targets.tex",
        figure="results/{survey}/paper/figures/cost.pdf",
        figure_png="results/{survey}/paper/figures/cost.png",
    log:
        "results/{survey}/logs/compare_models.log",
    benchmark:
        "results/{survey}/benchmarks/compare_models.tsv"
    wildcard_constraints:
        survey=SURVEY,
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(2000),
        runtime=on_retry(15),
    params:
        folders=lambda wildcards, input: sorted(
            {
                os.path.dirname(path)
                for path in [*input.metrics, *input.bands, *input.quality]
            }
        ),
        settings=lambda wildcards: settings("scoring"),
        model=runs.new(SETTINGS),
        paper=HEADLINE.model,
        code=code("mmae.cli.compare:compare_models"),
    shell:
        """
        mmae compare-models {params.folders:q} \
            --config {params.settings:q} \
            --model {params.model:q} \
            --paper {params.paper:q} \
            --table {output.table:q} \
            --figure {output.figure:q} \
            2>&1 | tee {log:q}
        """


rule compare:
    """All of the new model's targets as one table; not part of `rule all`."""
    input:
        paper("tables/targets.csv"),
