"""Optimisation of a model on training arrays (paper section 4)."""
