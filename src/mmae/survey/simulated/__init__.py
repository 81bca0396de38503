"""The embedded survey: simulated galaxies grounded in real ones, written in the real formats.

population   real (i, g - z, redshift) of HSC galaxies, selected as DESI would
templates    galaxy spectra from kcorrect's templates, with their nebular lines
quasars      quasar spectra and the absorption by intergalactic hydrogen
sources      what each source is: its spectrum, size, shape and magnitudes
images       HSC images through GalSim
spectra      DESI spectra, arm by arm, with noise
catalogs     who is listed where, faults included, and the truth behind it
simulate     writes it all
"""
