"""From matched pairs to what the network reads (paper section 3)."""
