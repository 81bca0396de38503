"""Spectra of other surveys, as their files are, on DESI's pixels."""
