"""The target room."""
