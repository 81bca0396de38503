"""Arrays in, numbers out: redshift and line metrics, and their intervals."""
