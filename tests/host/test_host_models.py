"""Whole runs in which models propose: scripted ones, and one behind HTTP that leaks whatever it is sent."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from host_target import Target, make_target

ROOT = Path(__file__).parents[2]
KEY = "sk-planted-1234567890abcdef"
COUNCIL = """
[agents]
council_size = 1
debate_rounds = 0
[[agents.agents]]
name = "ada"
role = "engineer"
system_prompt = "You work."
model = "m"
[models]
[[models.models]]
name = "m"
provider = "{provider}"
endpoint = "{endpoint}"
temperature = 0.0
max_tokens = 256
edit_format = "whole"
{more}
"""


def council(target: Target, provider: str, endpoint: str, more: str = "", budget: str = "") -> None:
    """Let models propose in the place of the script."""
    text = (target.root / "bp.toml").read_text(encoding="utf-8")
    head = text.split("[proposer]")[0]
    target.write("bp.toml", head + COUNCIL.format(provider=provider, endpoint=endpoint, more=more) + budget)


def reply(speed: int, summary: str) -> str:
    patch = {"path": "app/__init__.py", "operation": "modify", "content": f"SPEED = {speed}\n"}
    return json.dumps({"summary": summary, "file_patches": [patch]})


def script(target: Target, *contents: str) -> None:
    target.write("replies.jsonl", "".join(json.dumps({"content": content}) + "\n" for content in contents))


def verdicts(target: Target) -> list[tuple[object, ...]]:
    with sqlite3.connect(target.root / "data" / "maabarium.db") as db:
        rows = db.execute(
            "SELECT number, promotion_outcome, reason_code, proposal_summary, tree FROM experiments ORDER BY id"
        ).fetchall()
    db.close()
    return rows


def test_the_named_document_is_written_and_revised(tmp_path: Path) -> None:
    """One exact target that does not exist yet: examples/document."""
    shutil.copytree(ROOT / "examples" / "document", tmp_path / "document")
    target = Target(tmp_path / "document", tmp_path / "cache")
    done = target.pytest("--maabarium", "guide.toml", "-v")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 3 kept" in done.stdout
    assert "models: 3 calls" in done.stdout
    shown = target.maabarium("show", "last", "1").stdout
    assert "docs/guide.md" in shown and "+# unitkit" in shown and "proposal by writer" in shown
    assert not (tmp_path / "document" / "docs").exists(), "a snapshot changes nothing of the user's"


def test_a_recorded_run_can_be_replayed_without_models(tmp_path: Path) -> None:
    target = make_target(tmp_path)
    council(target, "scripted", "replies.jsonl")
    script(target, reply(2, "double it"), "no json at all", "still none", reply(1, "as before"))
    first = target.pytest("--maabarium", "bp.toml", "--maabarium-record", "calls.jsonl", "--maabarium-iterations", "3")
    assert first.returncode == 0, first.stdout + first.stderr
    before = verdicts(target)
    assert [row[1] for row in before] == ["baseline", "promoted", "invalid", "rejected"]
    (target.root / "replies.jsonl").unlink()  # who answers now is the recording alone
    shutil.rmtree(target.root / "data")
    target.git("branch", "-D", "maabarium/speed")
    again = target.pytest("--maabarium", "bp.toml", "--maabarium-replay", "calls.jsonl", "--maabarium-iterations", "3")
    assert again.returncode == 0, again.stdout + again.stderr
    assert verdicts(target) == before


class Leaky(BaseHTTPRequestHandler):
    """Answers every second call with an error that repeats the request's headers, as misconfigured servers do."""

    calls = 0

    def do_POST(self) -> None:
        type(self).calls += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        if type(self).calls % 2:
            body, status = json.dumps({"error": {"message": str(self.headers)}}).encode(), 403
        else:
            message = {"role": "assistant", "content": reply(type(self).calls, f"authorised by {KEY}")}
            body, status = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode(), 200
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def leaky() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Leaky)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def test_no_artefact_holds_the_key(tmp_path: Path, leaky: str) -> None:
    target = make_target(tmp_path)
    council(target, "openai-compat", leaky, 'api_key_env = "PLANTED_KEY"')
    done = target.pytest(
        "--maabarium", "bp.toml", "--maabarium-record", "calls.jsonl", "--maabarium-report", "out.html",
        "--maabarium-report", "out.md", "--junitxml", "out.xml", "-v", "--maabarium-iterations", "2", PLANTED_KEY=KEY,
    )  # fmt: skip
    assert "HTTP 403" in done.stdout and "provider_failed" in done.stdout, done.stdout + done.stderr
    shown = "".join(target.maabarium("show", "last", str(number)).stdout for number in range(1, 3))
    dumped = target.maabarium("export", "--format", "json").stdout
    for text in (done.stdout, done.stderr, shown, dumped):
        assert KEY not in text
    seen = []
    for folder, _, names in os.walk(tmp_path):
        for name in names:
            content = Path(folder, name).read_bytes()
            seen.append(name)
            assert KEY.encode() not in content, Path(folder, name)
    assert {"maabarium.db", "maabarium.log", "calls.jsonl", "out.html", "out.md", "out.xml"} <= set(seen)


def test_a_missing_key_is_a_problem_of_the_blueprint(tmp_path: Path) -> None:
    target = make_target(tmp_path)
    council(target, "anthropic", "")
    done = target.pytest("--maabarium", "bp.toml")
    assert done.returncode == 4
    assert "ANTHROPIC_API_KEY" in done.stderr and "maabarium keys set anthropic" in done.stderr


def test_a_budget_of_tokens_ends_the_run_in_order(tmp_path: Path) -> None:
    target = make_target(tmp_path)
    council(target, "scripted", "replies.jsonl", budget="[budget]\ntokens = 3000\n")
    usage = {"prompt": 1000, "completion": 200}
    lines = [{"content": reply(speed, f"speed {speed}"), "usage": usage} for speed in range(2, 9)]
    target.write("replies.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    done = target.pytest("--maabarium", "bp.toml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tokens" in target.maabarium("status").stdout + done.stdout
    kept = [row for row in verdicts(target) if row[1] == "promoted"]
    assert 1 <= len(kept) <= 2


def test_money_without_a_price_does_not_start(tmp_path: Path) -> None:
    target = make_target(tmp_path)
    council(target, "openai-compat", "http://127.0.0.1:9/v1", budget="[budget]\nmoney = 1.0\n")
    done = target.pytest("--maabarium", "bp.toml")
    assert done.returncode == 4 and "price" in done.stderr
