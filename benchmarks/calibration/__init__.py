"""The embedded survey held against the sky: one table of numbers, simulated beside real."""
