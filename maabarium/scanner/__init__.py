"""Looks for planted instructions in untrusted text, and fences such text off as data.

Three kinds of text pass here: blueprints, what a repository or a test run contributes to a prompt, and replies of
models. The scanner is advisory. It knows phrases, not intentions: an attack that is worded otherwise is not found, and
what protects a run is that protected paths cannot be edited and candidates run in a sandbox.
"""

from maabarium.scanner.fence import DATA_RULE, fence
from maabarium.scanner.findings import Finding, ScannerVerdict, scan, verdict
from maabarium.scanner.redaction import redact
from maabarium.scanner.threats import Severity, Threat

__all__ = ["DATA_RULE", "Finding", "ScannerVerdict", "Severity", "Threat", "fence", "redact", "scan", "verdict"]
