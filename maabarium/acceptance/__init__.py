"""Whether a measured difference is believed: gates, the sequential test, and the run's error budget. Pure."""
