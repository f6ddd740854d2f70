"""Kitbag: a handful of small tools for reports - tables, intervals, a cache, a calculator and date ranges."""
