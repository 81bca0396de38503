"""Sections 1, 3 and 5: the paper's figures and tables, each a notebook that papermill runs.

The executed notebooks stay under results/<survey>/paper/notebooks, also when they fail.
"""


rule figure_1:
    """Section 5.1: a low-redshift galaxy with 75% of both modalities hidden."""
    input:
        notebook=shipped("notebooks/figure_1.ipynb"),
        reconstructions=evaluated(
            runs.pictured, "reconstructions.npz", runs.BOTH_HIDDEN
        ),
    output:
        pdf="results/{survey}/paper/figures/figure_1.pdf",
        png=report(
            "results/{survey}/paper/figures/figure_1.png",
            caption="../report/figure_1.rst",
            category="Figures",
            labels={"figure": "Figure 1: low redshift, both masked"},
        ),
        lines=report(
            "results/{survey}/paper/tables/figure_1_lines.csv",
            caption="../report/figure_1_lines.rst",
            category="Tables",
            labels={"table": "Figure 1: measured lines"},
        ),
        lines_md="results/{survey}/paper/tables/figure_1_lines.md",
        lines_tex="results/{survey}/paper/tables/figure_1_lines.tex",
    log:
        notebook="results/{survey}/paper/notebooks/figure_1.ipynb",
    benchmark:
        "results/{survey}/benchmarks/figure_1.tsv"
    wildcard_constraints:
        survey=SURVEY,
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(2000),
        runtime=on_retry(15),
    params:
        seed=HEADLINE.seed,
        code=code("mmae.cli.paper:notebook", shipped("notebooks/figure_1.ipynb")),
    shell:
        """
        mmae notebook {input.notebook:q} {log.notebook:q} \
            --set reconstructions "{input.reconstructions}" \
            --set figure {output.pdf:q} \
            --set lines {output.lines:q} \
            --set seed {params.seed:q}
        """


rule figure_2:
    """Section 5.1: a high-redshift galaxy whose spectrum is hidden entirely."""
    input:
        notebook=shipped("notebooks/figure_2.ipynb"),
        reconstructions=evaluated(
            runs.pictured, "reconstructions.npz", runs.WHOLE_IMAGE
        ),
    output:
        pdf="results/{survey}/paper/figures/figure_2.pdf",
        png=report(
            "results/{survey}/paper/figures/figure_2.png",
            caption="../report/figure_2.rst",
            category="Figures",
            labels={"figure": "Figure 2: high redshift, spectrum hidden"},
        ),
        lines=report(
            "results/{survey}/paper/tables/figure_2_lines.csv",
            caption="../report/figure_2_lines.rst",
            category="Tables",
            labels={"table": "Figure 2: measured lines"},
        ),
        lines_md="results/{survey}/paper/tables/figure_2_lines.md",
        lines_tex="results/{survey}/paper/tables/figure_2_lines.tex",
    log:
        notebook="results/{survey}/paper/notebooks/figure_2.ipynb",
    benchmark:
        "results/{survey}/benchmarks/figure_2.tsv"
    wildcard_constraints:
        survey=SURVEY,
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(2000),
        runtime=on_retry(15),
    params:
        seed=HEADLINE.seed,
        code=code("mmae.cli.paper:notebook", shipped("notebooks/figure_2.ipynb")),
    shell:
        """
        mmae notebook {input.notebook:q} {log.notebook:q} \
            --set reconstructions "{input.reconstructions}" \
            --set figure {output.pdf:q} \
            --set lines {output.lines:q} \
            --set seed {params.seed:q}
        """


rule figure_3:
    """Section 5.2: redshift from images alone."""
    input:
        unpack(figure_3_run),
        notebook=shipped("notebooks/figure_3.ipynb"),
    output:
        pdf="results/{survey}/paper/figures/figure_3.pdf",
        png=report(
            "results/{survey}/paper/figures/figure_3.png",
            caption="../report/figure_3.rst",
            category="Figures",
            labels={"figure": "Figure 3: redshift from images alone"},
        ),
    log:
        notebook="results/{survey}/paper/notebooks/figure_3.ipynb",
    benchmark:
        "results/{survey}/benchmarks/figure_3.tsv"
    wildcard_constraints:
        survey=OURS_OR_PUBLISHED,
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(2000),
        runtime=on_retry(15),
    params:
        label=lambda wildcards: (
            "MMAE, simulated galaxies"
            if wildcards.survey == SURVEY and SETTINGS.survey.source == "simulate"
            else "MMAE, real galaxies"
        ),
        code=code("mmae.cli.paper:notebook", shipped("notebooks/figure_3.ipynb")),
    shell:
        """
        mmae notebook {input.notebook:q} {log.notebook:q} \
            --set predictions {input.predictions:q} \
            --set metrics {input.metrics:q} \
            --set label {params.label:q} \
            --set figure {output.pdf:q}
        """


rule table_1:
    """Section 1: what both surveys and the dataset hold."""
    input:
        notebook=shipped("notebooks/table_1.ipynb"),
        summary="results/{survey}/dataset/summary.csv",
    output:
        csv=report(
            "results/{survey}/paper/tables/table_1.csv",
            caption="../report/table_1.rst",
            category="Tables",
            labels={"table": "Table 1: data summary"},
        ),
        md="results/{survey}/paper/tables/table_1.md",
        tex="results/{survey}/paper/tables/table_1.tex",
    log:
        notebook="results/{survey}/paper/notebooks/table_1.ipynb",
    benchmark:
        "results/{survey}/benchmarks/table_1.tsv"
    wildcard_constraints:
        survey=SURVEY,
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(2000),
        runtime=on_retry(15),
    params:
        code=code("mmae.cli.paper:notebook", shipped("notebooks/table_1.ipynb")),
    shell:
        """
        mmae notebook {input.notebook:q} {log.notebook:q} \
            --set summary {input.summary:q} \
            --set table {output.csv:q}
        """


rule cleaning:
    """Section 3: what each cut removed."""
    input:
        notebook=shipped("notebooks/cleaning.ipynb"),
        report="results/{survey}/dataset/cleaning.csv",
    output:
        csv=report(
            "results/{survey}/paper/tables/cleaning.csv",
            caption="../report/cleaning.rst",
            category="Tables",
            labels={"table": "Cleaning"},
        ),
        md="results/{survey}/paper/tables/cleaning.md",
        tex="results/{survey}/paper/tables/cleaning.tex",
    log:
        notebook="results/{survey}/paper/notebooks/cleaning.ipynb",
    benchmark:
        "results/{survey}/benchmarks/cleaning.tsv"
    wildcard_constraints:
        survey=SURVEY,
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(2000),
        runtime=on_retry(15),
    params:
        code=code("mmae.cli.paper:notebook", shipped("notebooks/cleaning.ipynb")),
    shell:
        """
        mmae notebook {input.notebook:q} {log.notebook:q} \
            --set report {input.report:q} \
            --set table {output.csv:q}
        """


rule fetch_published:
    """Section 5.2: the authors' predictions for 20,181 real galaxies, copied or downloaded."""
    output:
        quartermask=f"{PUBLISHED}/image0.25-spectrum1.00/predictions.csv",
        nomask=f"{PUBLISHED}/image0.00-spectrum1.00/predictions.csv",
    log:
        "results/published/logs/fetch_published.log",
    benchmark:
        "results/published/benchmarks/fetch_published.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(500),
        runtime=on_retry(10),
    params:
        settings=lambda wildcards: settings("published"),
        code=code("mmae.cli.paper:fetch_published"),
    shell:
        """
        mmae fetch-published \
            --config {params.settings:q} \
            --quartermask {output.quartermask:q} \
            --nomask {output.nomask:q} \
            2>&1 | tee {log:q}
        """


rule published:
    """Figure 3 and the table of sigma_NMAD from the authors' predictions on real galaxies."""
    input:
        "results/published/paper/figures/figure_3.pdf",
        "results/published/paper/tables/comparison.csv",


rule article:
    """Sections 1 to 6: one page made from the executed notebooks, and the report's first words."""
    input:
        paper=[paper(name) for name in paper_files(SETTINGS)],
        captions=captions(),
    output:
        page="results/{survey}/index.html",
        opening="results/{survey}/paper/opening.rst",
    log:
        "results/{survey}/logs/article.log",
    benchmark:
        "results/{survey}/benchmarks/article.tsv"
    wildcard_constraints:
        survey=SURVEY,
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(1000),
        runtime=on_retry(15),
    params:
        settings=settings("split", "grid"),
        source=SETTINGS.survey.source,
        notebooks=lambda wildcards, input: notebooks_of(input.paper),
        captions=lambda wildcards, input: [
            f"--caption={path}" for path in input.captions
        ],
        rules=[
            f"--rules={shipped(f'workflow/rules/{name}.smk')}"
            for name in ("paper", "comparison")
        ],
        code=code("mmae.cli.paper:article"),
    shell:
        """
        mmae article {params.notebooks:q} \
            --config {params.settings:q} \
            --survey {wildcards.survey:q} \
            --source {params.source:q} \
            {params.captions:q} \
            {params.rules:q} \
            --page {output.page:q} \
            --opening {output.opening:q} \
            2>&1 | tee {log:q}
        """
