"""Arrays in, numbers out: redshift, line and reconstruction metrics."""
