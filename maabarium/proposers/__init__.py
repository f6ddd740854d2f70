"""What thinks up the next change: code that rewrites code, models in council, coding agents, and a file of changes."""
