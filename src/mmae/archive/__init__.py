"""A finished run as a folder for others: packed with checksums, read back without any training."""
