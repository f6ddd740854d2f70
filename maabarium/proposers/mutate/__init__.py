"""The mutate room."""
