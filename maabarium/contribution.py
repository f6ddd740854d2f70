"""What the core itself contributes, through the same entry point as anybody's plug-in."""
