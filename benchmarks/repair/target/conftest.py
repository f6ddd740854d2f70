"""Makes the package importable from the folder that holds it."""
