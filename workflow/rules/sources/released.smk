"""Section 3, source `released`: GalaxiesML-Spectra as published."""


rule fetch_released:
    """Section 3: get the released dataset and check its schema."""
    input:
        files=on_disk("galaxiesml_spectra"),
    output:
        dataset="results/{survey}/catalog/galaxiesml_spectra.hdf5",
        schema="results/{survey}/catalog/schema.csv",
    log:
        "results/{survey}/logs/fetch_released.log",
    benchmark:
        "results/{survey}/benchmarks/fetch_released.tsv"
    conda:
        "../../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(1000),
        runtime=on_retry(1440),
        downloads=1,
    params:
        settings=lambda wildcards: settings("survey.zenodo.galaxiesml_spectra"),
        files=[f"--file={path}" for path in on_disk("galaxiesml_spectra")],
        code=code("mmae.cli.survey:fetch_released"),
    shell:
        """
        mmae fetch-released \
            --config {params.settings:q} \
            {params.files:q} \
            --dataset {output.dataset:q} \
            --schema {output.schema:q} \
            2>&1 | tee {log:q}
        """
