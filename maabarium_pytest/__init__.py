"""The pytest side of Maabarium. Importing this package imports nothing: it happens in every pytest session."""
