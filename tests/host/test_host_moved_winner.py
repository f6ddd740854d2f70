"""A winner that was moved onto a newer champion is shown as it was kept, by the session and by the command line."""

from __future__ import annotations

from host_target import Target, patch

FILLER = "".join(f"# line {number}\n" for number in range(30))
START = f"A = 1\n{FILLER}B = 1\n"


def test_both_faces_show_what_was_kept(target: Target) -> None:
    target.write("app/__init__.py", f"{START}SPEED = A * B\n")
    longer = START.replace("A = 1\n", "# first\n# second\nA = 2\n") + "SPEED = A * B\n"
    target.blueprint(
        [patch("more A", longer), patch("more B", START.replace("B = 1", "B = 3") + "SPEED = A * B\n")], iterations=2
    )
    slow = "import time\nimport app\n\n\ndef test_app():\n    time.sleep(2 * (app.B == 3))\n"
    target.write("tests/test_app.py", slow)  # so that the second proposal is the one to be moved
    target.commit()
    done = target.pytest("--maabarium", "bp.toml", "--maabarium-workers", "2", "--maabarium-report", "out.md")
    assert "1 baseline, 2 promoted" in done.stdout, done.stdout + done.stderr
    later = target.maabarium("diff", "last", "2").stdout
    assert "@@ -31,5 +31,5 @@" in later, "as proposed, the hunk begins in line 29"
    report = (target.root / "out.md").read_text()
    assert "@@ -31,5 +31,5 @@" in report and "@@ -29,5" not in report
    target.maabarium("report", "last", "-o", "again.md")
    assert (target.root / "again.md").read_text() == report
