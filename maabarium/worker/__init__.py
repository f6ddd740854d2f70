"""One measurement, as any executor runs it."""
