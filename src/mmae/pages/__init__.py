"""Pages for browsers without a network: the article of a run, and single galaxies."""
