"""The pytest plug-in. Inert without --maabarium."""
