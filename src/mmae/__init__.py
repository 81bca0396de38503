"""Galaxy images and spectra in one masked autoencoder: arXiv:2510.22527, reproduced."""

from importlib.metadata import version

__version__ = version("galaxy-mmae")
