"""Source releases of published packages, fetched once by pip into a cache folder. For benchmarks."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

__all__ = ["CACHE", "unpack"]

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "maabarium" / "benchmarks"


def unpack(requirement: str, target: Path) -> str:
    """Put the release `name==version` into `target`; a sentence that says why, when it cannot be had."""
    CACHE.mkdir(parents=True, exist_ok=True)
    stem = requirement.replace("==", "-")
    archive = next(CACHE.glob(f"{stem}*.tar.gz"), None)
    if archive is None:
        words = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
        done = subprocess.run(
            [*words, "-d", str(CACHE), requirement], capture_output=True, text=True, timeout=300, check=False
        )
        archive = next(CACHE.glob(f"{stem}*.tar.gz"), None)
        if archive is None:
            said = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
            return f"{requirement} could not be fetched by pip: {said}; put its source release into {CACHE}"
    with tarfile.open(archive) as packed:
        packed.extractall(target.parent, filter="data")
    (target.parent / archive.name.removesuffix(".tar.gz")).rename(target)
    return ""
