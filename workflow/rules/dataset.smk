"""Sections 3 and 4: clean the pairs, split them, normalise their spectra."""


rule clean:
    """Section 3: apply the paper's cuts and replace artefacts."""
    input:
        matches="results/{survey}/dataset/matches.csv",
        contested="results/{survey}/dataset/contested.csv",
        galaxiesml=catalog("galaxiesml.hdf5"),
        spectra="results/{survey}/dataset/spectra.hdf5",
    output:
        dataset="results/{survey}/dataset/galaxiesml_spectra.hdf5",
        report="results/{survey}/dataset/cleaning.csv",
        removed="results/{survey}/dataset/removed.csv",
        unpaired="results/{survey}/dataset/unpaired.csv",
    log:
        "results/{survey}/logs/clean.log",
    benchmark:
        "results/{survey}/benchmarks/clean.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(2000),
        runtime=on_retry(120),
    params:
        settings=lambda wildcards: settings("clean", "dataset"),
        code=code("mmae.cli.dataset:clean"),
    shell:
        """
        mmae clean \
            --config {params.settings:q} \
            --matches {input.matches:q} \
            --contested {input.contested:q} \
            --galaxiesml {input.galaxiesml:q} \
            --spectra {input.spectra:q} \
            --dataset {output.dataset:q} \
            --report {output.report:q} \
            --removed {output.removed:q} \
            --unpaired {output.unpaired:q} \
            2>&1 | tee {log:q}
        """


rule split:
    """Section 4: divide the dataset into 70% training, 15% validation and 15% test galaxies."""
    input:
        dataset=DATASET,
    output:
        split="results/{survey}/dataset/split.npz",
    log:
        "results/{survey}/logs/split.log",
    benchmark:
        "results/{survey}/benchmarks/split.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(1000),
        runtime=on_retry(10),
    params:
        settings=lambda wildcards: settings("split"),
        code=code("mmae.cli.dataset:split"),
    shell:
        """
        mmae split \
            --config {params.settings:q} \
            --dataset {input.dataset:q} \
            --split {output.split:q} \
            2>&1 | tee {log:q}
        """


rule embed_text:
    """Section 6: galaxies in words, for models that read a text beside images and spectra."""
    input:
        dataset=DATASET,
    output:
        sentences="results/{survey}/dataset/sentences.csv",
        vectors="results/{survey}/dataset/text.hdf5",
    log:
        "results/{survey}/logs/embed_text.log",
    benchmark:
        "results/{survey}/benchmarks/embed_text.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(2000),
        runtime=on_retry(60),
    params:
        code=code("mmae.cli.dataset:embed_text"),
    shell:
        """
        mmae embed-text \
            --dataset {input.dataset:q} \
            --sentences {output.sentences:q} \
            --vectors {output.vectors:q} \
            2>&1 | tee {log:q}
        """


rule training_arrays:
    """Section 4: normalise and pool the spectra once, as memory-mapped arrays."""
    input:
        unpack(unpaired_images),
        again_unless(are_whole, "results/{survey}/dataset/arrays"),
        files=modality_files(),
        dataset=DATASET,
    output:
        arrays=directory("results/{survey}/dataset/arrays"),
    log:
        "results/{survey}/logs/training_arrays.log",
    benchmark:
        "results/{survey}/benchmarks/training_arrays.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(2000),
        runtime=on_retry(120),
    params:
        settings=lambda wildcards: settings("arrays", "modalities"),
        more=lambda wildcards, input: options_of(input, "galaxiesml", "unpaired"),
        code=code("mmae.cli.dataset:training_arrays", *modality_kinds()),
    shell:
        """
        mmae training-arrays \
            --config {params.settings:q} \
            --dataset {input.dataset:q} \
            {params.more:q} \
            --arrays {output.arrays:q} \
            2>&1 | tee {log:q}
        """


rule summarise:
    """Section 1: count both surveys and the dataset, for Table 1."""
    input:
        galaxiesml=if_matched_here(catalog("galaxiesml.hdf5")),
        desi=if_matched_here(catalog("desi")),
        unpaired=unpaired_table(),
        dataset=DATASET,
    output:
        summary="results/{survey}/dataset/summary.csv",
    log:
        "results/{survey}/logs/summarise.log",
    benchmark:
        "results/{survey}/benchmarks/summarise.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(4000),
        runtime=on_retry(30),
    params:
        surveys=lambda wildcards, input: options_of(
            input, "galaxiesml", "desi", "unpaired"
        ),
        code=code("mmae.cli.dataset:summarise"),
    shell:
        """
        mmae summarise \
            {params.surveys:q} \
            --dataset {input.dataset:q} \
            --summary {output.summary:q} \
            2>&1 | tee {log:q}
        """


rule check_split:
    """Section 4: whether the test galaxies are those of the authors' predictions."""
    input:
        dataset=DATASET,
        split="results/{survey}/dataset/split.npz",
        predictions=f"{PUBLISHED}/image0.25-spectrum1.00/predictions.csv",
    output:
        report="results/{survey}/dataset/authors_split.csv",
    log:
        "results/{survey}/logs/check_split.log",
    benchmark:
        "results/{survey}/benchmarks/check_split.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(1000),
        runtime=on_retry(10),
    params:
        code=code("mmae.cli.dataset:check_split"),
    shell:
        """
        mmae check-split \
            --dataset {input.dataset:q} \
            --split {input.split:q} \
            --predictions {input.predictions:q} \
            --report {output.report:q} \
            2>&1 | tee {log:q}
        """
