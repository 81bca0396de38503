"""Section 3: images of HSC, redshifts and spectra of DESI, matched by position."""


rule simulate_survey:
    """Section 3: simulate the embedded survey in the formats of the real ones."""
    output:
        galaxiesml="results/{survey}/catalog/galaxiesml.hdf5",
        desi=directory("results/{survey}/catalog/desi"),
        truth="results/{survey}/catalog/truth.fits",
    log:
        "results/{survey}/logs/simulate_survey.log",
    benchmark:
        "results/{survey}/benchmarks/simulate_survey.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 8
    resources:
        mem_mb=2000,
        runtime=240,
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
            --workers {threads} \
            2>&1 | tee {log:q}
        """


rule crossmatch:
    """Section 3: match HSC's galaxies to DESI's targets by position."""
    input:
        galaxiesml=catalog("galaxiesml"),
        desi=catalog("desi"),
    output:
        matches="results/{survey}/dataset/matches.csv",
        contested="results/{survey}/dataset/contested.csv",
        counts="results/{survey}/dataset/crossmatch.csv",
    log:
        "results/{survey}/logs/crossmatch.log",
    benchmark:
        "results/{survey}/benchmarks/crossmatch.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        settings=lambda wildcards: settings("crossmatch"),
        code=code("mmae.cli.survey:crossmatch"),
    shell:
        """
        mmae crossmatch \
            --config {params.settings:q} \
            --galaxiesml {input.galaxiesml:q} \
            --desi {input.desi:q} \
            --matches {output.matches:q} \
            --contested {output.contested:q} \
            --counts {output.counts:q} \
            2>&1 | tee {log:q}
        """


rule collect_spectra:
    """Section 3: take the matched targets' spectra out of DESI's coadd files."""
    input:
        matches="results/{survey}/dataset/matches.csv",
        desi=catalog("desi"),
    output:
        spectra="results/{survey}/dataset/spectra.hdf5",
    log:
        "results/{survey}/logs/collect_spectra.log",
    benchmark:
        "results/{survey}/benchmarks/collect_spectra.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        code=code("mmae.cli.survey:collect_spectra"),
    shell:
        """
        mmae collect-spectra \
            --matches {input.matches:q} \
            --desi {input.desi:q} \
            --spectra {output.spectra:q} \
            2>&1 | tee {log:q}
        """
