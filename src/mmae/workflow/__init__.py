"""What serves Snakemake: runs and their names, provenance, locks, jobs of a cluster, timing."""
