"""The blueprint room."""
