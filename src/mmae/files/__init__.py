"""Files at the rim: checked when they are read, written whole or not at all."""
