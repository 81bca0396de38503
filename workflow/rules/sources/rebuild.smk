"""Section 3, source `rebuild`: GalaxiesML and DESI, to be matched and cleaned here."""


rule fetch_galaxiesml:
    """Section 3: get GalaxiesML's files and show them as one."""
    input:
        files=on_disk("galaxiesml"),
    output:
        galaxiesml="results/{survey}/catalog/galaxiesml.hdf5",
    log:
        "results/{survey}/logs/fetch_galaxiesml.log",
    benchmark:
        "results/{survey}/benchmarks/fetch_galaxiesml.tsv"
    conda:
        "../../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(1000),
        runtime=on_retry(1440),
        downloads=1,
    params:
        settings=lambda wildcards: settings("survey.zenodo.galaxiesml"),
        files=[f"--file={path}" for path in on_disk("galaxiesml")],
        code=code("mmae.cli.survey:fetch_galaxiesml"),
    shell:
        """
        mmae fetch-galaxiesml \
            --config {params.settings:q} \
            {params.files:q} \
            --galaxiesml {output.galaxiesml:q} \
            2>&1 | tee {log:q}
        """


rule fetch_zcatalog:
    """Section 3: get DESI's redshift catalogue."""
    input:
        catalog=[f"{tree}/zcatalog/v1/zall-pix-iron.fits" for tree in on_disk("desi")],
    output:
        desi=directory("results/{survey}/catalog/desi"),
    log:
        "results/{survey}/logs/fetch_zcatalog.log",
    benchmark:
        "results/{survey}/benchmarks/fetch_zcatalog.tsv"
    conda:
        "../../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=on_retry(1000),
        runtime=on_retry(1440),
        downloads=1,
    params:
        settings=lambda wildcards: settings("survey.desi"),
        tree=[f"--tree={path}" for path in on_disk("desi")],
        code=code("mmae.cli.survey:fetch_zcatalog"),
    shell:
        """
        mmae fetch-zcatalog \
            --config {params.settings:q} \
            {params.tree:q} \
            --desi {output.desi:q} \
            2>&1 | tee {log:q}
        """
