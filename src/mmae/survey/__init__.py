"""What exists before us: surveys in their own formats, simulated or released."""
