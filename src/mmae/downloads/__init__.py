"""Files and services of the network: addresses, downloads that go on, Zenodo's records."""
