"""A model over a dataset, tables out (paper section 5)."""
