"""What an agent says of its work, and what follows from it: a summary, what is kept of its output, and its budgets.

All of it is its own word. Known are the JSON of claude (`--output-format json`), the events of codex (`--json`) and
opencode (`--format json`), the lines of aider; for any other program a line of JSON with `summary`, `usage` and `cost`,
or a line `Summary: ...`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from maabarium.blueprint.schema import Budget
from maabarium.errors import BudgetError
from maabarium.records import Attempt, Call
from maabarium.safe_text import one_line, plain

__all__ = ["COST", "TOKENS", "AgentBudget", "AgentReport", "kept", "last_line", "read_report"]

LONGEST_SUMMARY = 200
SUMMARY = re.compile(r"^[\s>#*_`-]{0,8}summary[*_`]{0,3}\s*[:：][*_`\s]{0,4}(\S.*)$", re.IGNORECASE | re.MULTILINE)
AIDER_TOKENS = re.compile(
    r"^Tokens: ([\d.,]+[kM]?) sent(?:, [\d.,]+[kM]? cache \w+){0,2}, ([\d.,]+[kM]?) received", re.M
)
AIDER_COST = re.compile(r"Cost: \$[\d.,]+ message, \$([\d.,]+) session")
IN, OUT = ("input_tokens", "prompt_tokens"), ("output_tokens", "completion_tokens")
MOST = 10**12
"""Above this a number is no count of tokens and no price."""
HEAD, TAIL = 4000, 12_000
"""Characters: agents say at the end what they did, and at the beginning why they could not."""
TOKENS, COST = "agent_tokens", "agent_cost"
"""Keys of `Proposal.data` under which a resumed run finds what was spent."""


@dataclass(frozen=True)
class AgentReport:
    """What an agent said of its work; None where it said nothing. `cost` is in US dollars."""

    summary: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    cost: float | None = None


def read_report(output: str) -> AgentReport:
    """Read what is known of an output, whatever it holds. Never raises."""
    objects = _objects(output)
    final = [each for each in objects if "total_cost_usd" in each]
    counted = final[-1:] or objects
    usages = [usage for each in counted if (usage := _usage(each)) is not None]
    costs = [cost for each in counted if (cost := _cost(each)) is not None]
    summary = _summary(objects, output)
    if not usages and not costs:
        text = plain(output)
        tokens, paid = AIDER_TOKENS.findall(text), AIDER_COST.findall(text)
        sent, received = (sum(round(_amount(pair[n]) or 0) for pair in tokens) if tokens else None for n in (0, 1))
        return AgentReport(summary, sent, received, None, _amount(paid[-1]) if paid else None)
    prompt, completion, cached = map(sum, zip(*usages, strict=True)) if usages else (None, None, None)
    return AgentReport(summary, prompt, completion, cached, sum(costs) if costs else None)


def _objects(output: str) -> list[Mapping[str, Any]]:
    """JSON objects that stand on lines of their own, or are the entries of an array on one; else all of the output."""
    lines = (line.strip() for line in output.splitlines())
    whole = (text for text in lines if text[:1] in ("{", "[") and text[-1:] in ("}", "]"))
    found = [each for text in whole for each in _parsed(text)]
    return found or _parsed(output[output.find("{") : output.rfind("}") + 1])


def _parsed(text: str) -> list[Mapping[str, Any]]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]


def _usage(said: Mapping[str, Any]) -> tuple[int, int, int] | None:
    """Tokens of the prompt (cached ones among them), of the answer, and those that were cached."""
    tokens = _inner(said, "part").get("tokens")
    if isinstance(tokens, dict):
        cache = _inner(tokens, "cache")
        read = _count(cache, "read")
        prompt = _count(tokens, "input") + read + _count(cache, "write")
        return prompt, _count(tokens, "output") + _count(tokens, "reasoning"), read
    usage = _inner(said, "usage")
    if not any(name in usage for name in (*IN, *OUT)):
        return None
    apart = _count(usage, "cache_read_input_tokens")
    prompt = _count(usage, *IN) + apart + _count(usage, "cache_creation_input_tokens")
    return prompt, _count(usage, *OUT), apart or _count(usage, "cached_input_tokens", "cached_tokens")


def _cost(said: Mapping[str, Any]) -> float | None:
    names = ("total_cost_usd", "cost_usd", "cost")
    own = _number(said, *names)
    return _number(_inner(said, "part"), *names) if own is None else own


def _inner(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object of that name; an empty one when there is none."""
    found = said.get(name)
    return found if isinstance(found, dict) else {}


def _number(said: Mapping[str, Any], *names: str) -> float | None:
    """The first of these that is a number which can be a count or a price."""
    values = (said.get(name) for name in names)
    numbers = (value for value in values if isinstance(value, int | float) and not isinstance(value, bool))
    return next((float(number) for number in numbers if 0 <= number <= MOST), None)


def _count(said: Mapping[str, Any], *names: str) -> int:
    return int(_number(said, *names) or 0)


def _summary(objects: list[Mapping[str, Any]], output: str) -> str:
    """The last line that says it is the summary: in the last words of the agent, else anywhere."""
    found: list[str] = []
    for said in reversed(objects):
        if isinstance(said.get("summary"), str) and said["summary"].strip():
            found = [said["summary"]]
        else:  # wherever the agents that we know put the text of a message
            texts = (_inner(said, "part").get("text"), _inner(said, "item").get("text"), said.get("result"))
            found = SUMMARY.findall(plain(next((text for text in texts if isinstance(text, str)), "")))
        if found:
            break
    return one_line("".join((found or SUMMARY.findall(plain(output)))[-1:]), LONGEST_SUMMARY)


def _amount(text: str) -> float | None:
    """A number with commas, in thousands or millions if it says so."""
    try:
        return float(text.rstrip("kM").replace(",", "")) * {"k": 1000, "M": 1_000_000}.get(text[-1:], 1)
    except ValueError:
        return None


def kept(output: str) -> str:
    """The output as it is stored."""
    text = plain(output).strip()
    if len(text) <= HEAD + TAIL:
        return text
    missing = len(text) - HEAD - TAIL
    return f"{text[:HEAD]}\n[... {missing} characters left out ...]\n{text[-TAIL:]}"


def last_line(text: str) -> str:
    """The last line with something on it: where programs say what went wrong."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


class AgentBudget:
    """What one run's agent has used."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._tokens, self._money = 0, 0.0
        self._unpriced = self._begun = False

    def check(self, history: Sequence[Attempt]) -> None:
        """Raise BudgetError when a budget is used up, or cannot be kept because the agent does not name its price.

        The first call takes over what the history of a resumed run says.
        """
        if not self._begun:
            self._begun = True
            for attempt in history:
                self._tokens += int(attempt.data.get(TOKENS) or 0)
                self._money += float(attempt.data.get(COST) or 0.0)
        budget = self._budget
        if budget.tokens is not None and self._tokens >= budget.tokens:
            raise BudgetError(f"{self._tokens:,} of {budget.tokens:,} tokens are used; raise `budget.tokens`")
        if budget.money is not None and self._money >= budget.money:
            raise BudgetError(f"${self._money:.4f} of ${budget.money:g} are spent; raise `budget.money`")
        if budget.money is not None and self._unpriced and not budget.allow_unknown_prices:
            raise BudgetError(
                "the agent does not say what it costs, so the budget of money cannot be kept; remove it, or set "
                "`budget.allow_unknown_prices`"
            )

    def count(self, call: Call) -> None:
        """Count what a call used."""
        self._tokens += (call.prompt_tokens or 0) + (call.completion_tokens or 0)
        self._money += call.cost or 0.0
        self._unpriced = self._unpriced or call.cost is None
