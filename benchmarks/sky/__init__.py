"""Real spectra before networks and controls: the table and the figures of docs/sky.md."""
