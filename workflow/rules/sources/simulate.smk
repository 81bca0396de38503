"""Section 3, source `simulate`: the embedded survey."""


rule simulate_survey:
    """Section 3: simulate the embedded survey in the formats of the real ones."""
    input:
        again_unless(whole(TREE), "results/{survey}/catalog/desi"),
    output:
        galaxiesml="results/{survey}/catalog/galaxiesml.hdf5",
        desi=directory("results/{survey}/catalog/desi"),
        truth="results/{survey}/catalog/truth.fits",
        noiseless="results/{survey}/catalog/noiseless.hdf5",
    log:
        "results/{survey}/logs/simulate_survey.log",
    benchmark:
        "results/{survey}/benchmarks/simulate_survey.tsv"
    conda:
        "../../../envs/environment.yaml"
    threads: 8
    resources:
        mem_mb=on_retry(2000),
        runtime=on_retry(240),
    params:
        settings=lambda wildcards: settings("survey.simulate"),
        code=code("mmae.cli.survey:simulate_survey"),
    shell:
        """
        mmae simulate-survey \
            --config {params.settings:q} \
            --galaxiesml {output.galaxiesml:q} \
            --desi {output.desi:q} \
            --truth {output.truth:q} \
            --noiseless {output.noiseless:q} \
            --workers {threads} \
            2>&1 | tee {log:q}
        """
