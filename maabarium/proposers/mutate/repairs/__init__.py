"""Repairs: mutation operators in reverse, for targets whose suite is partly red."""
