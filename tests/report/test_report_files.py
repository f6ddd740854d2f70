"""Report files: complete, safe with hostile texts, the same every time, and written whole or not at all."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_views import BLUEPRINT, DIFF, HOSTILE, baseline, metrics, promoted, rejected, run_record, view, won

from maabarium.errors import UsageProblem
from maabarium.events import RunView
from maabarium.records import Evaluation
from maabarium.report import require_report_path, write_report
from maabarium.report.markup import clipped, diff_lines, fenced, markdown
from maabarium.report.phrases import duration, number

VOID = {"meta", "br", "link", "path", "use"}


class Page(HTMLParser):
    """Tags, attributes and ids of a page; unbalanced tags fail."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def written(stored: RunView, diffs: dict[int, str], path: Path) -> str:
    write_report(stored, diffs, path)
    return path.read_text(encoding="utf-8")


def hostile() -> RunView:
    first = baseline(summary=HOSTILE, reason=HOSTILE)
    winner = promoted(1, 0, 40_000.0, 60_000.0, summary=HOSTILE, reason=HOSTILE, failing=(HOSTILE,))
    rows = tuple(m.model_copy(update={"name": HOSTILE, "source": HOSTILE, "unit": HOSTILE}) for m in winner.metrics)
    lost = rejected(2, reason=HOSTILE + "\n| x |\n", summary=HOSTILE, failing=(HOSTILE, HOSTILE))
    run = run_record(blueprint_name=HOSTILE, blueprint_path=HOSTILE, target=HOSTILE, branch=HOSTILE, run_id="`<i>`")
    outcomes = (first, winner.model_copy(update={"metrics": rows}), lost)
    measured = Evaluation(grader=HOSTILE, environment=HOSTILE)
    return view(outcomes, run=run, state="failed", reason=HOSTILE, baseline=measured)


def test_the_page_is_complete_and_links_hold(tmp_path: Path) -> None:
    text = written(won(), {2: DIFF, 4: DIFF}, tmp_path / "made" / "here" / "out.html")
    page = Page(text)
    ids = {value for name, value in page.attributes if name == "id"}
    anchors = {value[1:] for name, value in page.attributes if name == "href" and value.startswith("#")}
    assert anchors <= ids and {f"experiment-{n}" for n in range(6)} | {"diff-2", "diff-4"} <= ids
    assert "svg" in page.tags and "var(--good)" in text and "#01020" not in text
    assert "x1.46-1.54" in text and "prefers-color-scheme: dark" in text and "width=device-width" in text
    assert '<span class="removed">--- x</span><span class="added">+++ y</span>' in text
    for fact in ("gradergrader", "python-3.11-here", "c" * 40, "snapshot", "maabarium/quickstart"):
        assert fact in text


@pytest.mark.parametrize("suffix", [".html", ".md"])
def test_scores_of_single_noisy_samples_are_not_set_beside_effects(tmp_path: Path, suffix: str) -> None:
    lucky = rejected(1, effect=0.972, total=0.5146)
    noisy = run_record(blueprint_text=BLUEPRINT.replace('"score:lines_per_s"', '"score:lines_per_s"\nnoisy = true'))
    text = written(view((baseline(), lucky), run=noisy), {}, tmp_path / f"out{suffix}")
    assert "0.5146" not in text and "x0.97" in text and "Level: how many times the baseline" in text
    exact = written(view((baseline(), lucky)), {}, tmp_path / f"out{suffix}")
    assert "0.5146" in exact and "Level:" not in exact


def test_the_page_needs_no_network_and_runs_no_script(tmp_path: Path) -> None:
    page = Page(written(hostile(), {1: HOSTILE}, tmp_path / "out.html"))
    assert not page.tags & {"script", "iframe", "object", "img", "link", "base", "form", "i", "image"}
    for name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("href", "xlink:href", "src"):
            assert value.startswith("#")


@pytest.mark.parametrize("suffix", [".html", ".md"])
def test_hostile_texts_are_shown_not_obeyed(tmp_path: Path, suffix: str) -> None:
    text = written(hostile(), {1: DIFF + HOSTILE}, tmp_path / f"out{suffix}")
    assert "\x1b" not in text and "\u202e" not in text and "\\u202eevil" in text
    if suffix == ".md":
        outside = re.sub(r"^(`{3,})diff\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
        assert outside != text
        assert "<script" not in outside and "@you" not in outside and "www." not in outside and "](" not in outside
        heads = [line for line in outside.splitlines() if line.startswith("|")]
        assert {line.count("|") for line in heads} == {8, 10, 3}
        assert set(re.findall(r"<[a-z/]+", outside)) == {
            *("<details", "<summary", "<code"),
            *("</details", "</summary", "</code"),
        }


@pytest.mark.parametrize("suffix", [".html", ".md"])
def test_the_same_view_gives_the_same_bytes_and_a_failed_baseline_says_so(tmp_path: Path, suffix: str) -> None:
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    assert written(won(), {2: DIFF}, first) == written(won(), {2: DIFF}, second)
    assert "No data: this diff is not available" in first.read_text()
    failed = baseline(reason_code="gate_failed", reason="2 tests fail", metrics=())
    text = written(view((failed,), state="failed", baseline=None), {}, first)
    head = re.split("Improvement by|## Metrics", text)[0]
    assert "the baseline failed" in head and "2 tests fail" in head and "kept" not in head
    assert "no metric of the baseline was measured" in text and "Nothing was kept." in text
    assert "No data: no experiment ended." in written(view(()), {}, second)


def test_large_diffs_are_cut_with_a_command_for_the_rest(tmp_path: Path) -> None:
    diff = "@@ -0,0 +1,900 @@\n" + "+line\n" * 900
    assert "601 more lines: <code>maabarium diff 3f9c01aa 2</code>" in written(won(), {2: diff}, tmp_path / "out.md")


def test_a_wrong_suffix_a_folder_and_an_unwritable_path_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=r"\.html or \.md"):
        write_report(won(), {}, tmp_path / "out.pdf")
    (tmp_path / "folder.md").mkdir()
    with pytest.raises(UsageProblem, match="it is a folder"):
        require_report_path(tmp_path / "folder.md")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageProblem, match=r"cannot be written to .*file/out\.md: "):
        write_report(won(), {}, tmp_path / "file" / "out.md")
    with pytest.raises(UsageProblem, match="cannot be written"):
        write_report(won(), {}, tmp_path / ("x" * 300 + ".md"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.md"]


def test_an_older_report_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.md"
    path.write_text("old")
    write_report(won(), {}, path)
    assert path.read_text().startswith("# quickstart") and list(tmp_path.iterdir()) == [path]


def test_a_long_run_with_odd_values_draws(tmp_path: Path) -> None:
    rows = metrics((1.0, 1.0), (1.0, 1.0), (1e-9, 1.0))
    outcomes = (baseline(), *(rejected(n, effect=10.0 ** (n % 7 - 3), metrics=rows) for n in range(1, 200)))
    assert "<svg" in written(view((*outcomes, rejected(200, effect=float("nan")))), {}, tmp_path / "out.html")


@pytest.mark.parametrize(
    "text",
    [
        "lines_per_s 41 -> 12 (x1.5), a.py", "-2.8 % against the champion's median", "--report a-b", "x != y!",
        "ask a set of constants (Parser._handle_field, 2nd)", "_private and _other names", "trailing_ one", "3.5 s",
        "+1 is more", "=> so", "2024-05-01", "a _ b _ c",
    ],
)  # fmt: skip
def test_markdown_leaves_plain_text_readable(text: str) -> None:
    assert markdown(text) == text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("1. a", "1&#46; a"), ("- a", "&#45; a"), ("+", "&#43;"), ("> a", "&#62; a"), ("---", "&#45;--"),
        ("===", "&#61;=="), ("- - -", "&#45; - -"), ("___", "&#95;__"), ("_ _ _", "&#95; _ _"),
        ("https://evil.example", "https&#58;//evil.example"), ("![a](b)", "!&#91;a&#93;(b)"),
        ("__init__ *a* <b>", "&#95;&#95;init&#95;&#95; &#42;a&#42; &#60;b>"),
        ("_a b_", "&#95;a b&#95;"), ("(_a_b_)", "(&#95;a_b&#95;)"), ("_a* b_*", "&#95;a&#42; b&#95;&#42;"),
    ],
)  # fmt: skip
def test_markdown_escapes_what_would_be_obeyed(text: str, escaped: str) -> None:
    assert markdown(text) == escaped


def test_diffs_are_classified_by_hunk_and_fences_outgrow_backticks() -> None:
    lines, more = clipped(DIFF, 100)
    kinds = [line.kind for line in diff_lines(lines)]
    assert kinds == ["file", "file", "file", "hunk", "same", "removed", "added"] and more == 0
    assert fenced(["```` x"], "diff").splitlines() == ["`````diff", "```` x", "`````"]


def test_numbers_and_times_read_well() -> None:
    assert [number(v) for v in (41200.0, 1234.56, 0.123456, None)] == ["41 200", "1 235", "0.1235", "no data"]
    assert [duration(v) for v in (0.42, 61, 725, 11220)] == ["0.4 s", "61 s", "12 min 5 s", "3 h 7 min"]
