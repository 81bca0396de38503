"""Ends of intervals of redshifts: columns of predictions, and which share lies below."""

ENDS = {"z_low95": 0.025, "z_low68": 0.16, "z_high68": 0.84, "z_high95": 0.975}
"""Columns with the ends of a density's central intervals, and which quantiles they are."""

QUANTILES = tuple(sorted((*ENDS.values(), 0.5)))
"""Those, and the median between them."""
