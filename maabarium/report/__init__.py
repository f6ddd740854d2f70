"""Reports of stored runs: the summary in a terminal, and files for people who were not there."""

from maabarium.report.gains import MetricGain, metric_gains
from maabarium.report.levels import decides_by_pairs, proven_levels
from maabarium.report.phrases import rough
from maabarium.report.summary import metric_lines, summary_lines
from maabarium.report.writing import require_report_path, write_report

__all__ = [
    "MetricGain", "decides_by_pairs", "metric_gains", "metric_lines", "proven_levels", "require_report_path", "rough",
    "summary_lines", "write_report",
]  # fmt: skip
