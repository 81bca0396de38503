"""Section 3: images of HSC and redshifts and spectra of DESI, matched by position."""


rule crossmatch:
    """Section 3: match HSC's galaxies to DESI's targets by position."""
    input:
        galaxiesml=catalog("galaxiesml.hdf5"),
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
    threads: 8 if SETTINGS.crossmatch.engine == "lsdb" else 1
    resources:
        mem_mb=on_retry(4000),
        runtime=on_retry(30),
    params:
        settings=lambda wildcards: settings(
            "crossmatch.radius_arcsec", "crossmatch.max_damaged"
        ),
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


rule fetch_spectra:
    """Section 3: take one group's spectra out of DESI's coadd files, or get them from SPARCL."""
    input:
        matches="results/{survey}/dataset/matches.csv",
        tree=coadd_tree(),
    output:
        spectra=group_spectra("results/{survey}/dataset/spectra/{group}.hdf5"),
        unavailable="results/{survey}/dataset/spectra/{group}.csv",
    log:
        "results/{survey}/logs/fetch_spectra/{group}.log",
    benchmark:
        "results/{survey}/benchmarks/fetch_spectra/{group}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(2000),
        runtime=on_retry(720),
        downloads=0 if coadd_tree() else 1,
    params:
        settings=lambda wildcards: settings(*spectra_settings()),
        tree=["--tree", *coadd_tree()] if coadd_tree() else [],
        code=code("mmae.cli.survey:fetch_spectra"),
    shell:
        """
        mmae fetch-spectra \
            --config {params.settings:q} \
            --matches {input.matches:q} \
            {params.tree:q} \
            --group {wildcards.group:q} \
            --spectra {output.spectra:q} \
            --unavailable {output.unavailable:q} \
            2>&1 | tee {log:q}
        """


rule collect_spectra:
    """Section 3: join all groups' spectra in the order of the matches."""
    input:
        matches="results/{survey}/dataset/matches.csv",
        groups=expand(
            "results/{{survey}}/dataset/spectra/{group}.hdf5", group=SPECTRA_GROUPS
        ),
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
        mem_mb=on_retry(2000),
        runtime=on_retry(120),
    params:
        groups=lambda wildcards, input: [f"--group={path}" for path in input.groups],
        code=code("mmae.cli.survey:collect_spectra"),
    shell:
        """
        mmae collect-spectra \
            --matches {input.matches:q} \
            {params.groups:q} \
            --spectra {output.spectra:q} \
            2>&1 | tee {log:q}
        """
