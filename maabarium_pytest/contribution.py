"""What the pytest side contributes to Maabarium's plug-in registries."""
