"""The error tree: every failure that a person may see has a name here, and no other module defines one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maabarium.records import Call, Draft, ReasonCode

__all__ = [
    "BlueprintError", "BudgetError", "EvaluationError", "MaabariumError", "MissingKeyError", "PluginError", "Problem",
    "ProposalError", "ProviderError", "SandboxError", "StoreError", "UsageProblem", "WorkspaceError",
]  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a blueprint: where (a key path such as `metrics.metrics[1].direction`) and what."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}  {self.message}" if self.where else self.message


class MaabariumError(Exception):
    """Base of all errors that Maabarium raises on purpose. `str()` of it is a sentence for a person."""

    calls: tuple[Call, ...] = ()
    drafts: tuple[Draft, ...] = ()
    """What models were asked, and what was written, before it was raised; for the store."""


class UsageProblem(MaabariumError):
    """The run cannot start until the user changes something; exit status 4."""


class BlueprintError(UsageProblem):
    """A blueprint cannot be used; carries all its problems at once."""

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__(source, self.problems)

    def __str__(self) -> str:
        count = len(self.problems)
        width = max((len(problem.where) for problem in self.problems), default=0)
        lines = [f"{self.source} has {count} problem{'s' if count != 1 else ''}"]
        lines += [f"  {problem.where:<{width}}  {problem.message}".rstrip() for problem in self.problems]
        return "\n".join(lines)


class PluginError(UsageProblem):
    """A plug-in is missing, broken, or contributes a name that exists already."""


class ProposalError(MaabariumError):
    """A proposal that cannot be parsed or applied, or leaves its bounds. `detail`: a finer code, for models."""

    def __init__(
        self,
        reason_code: ReasonCode,
        message: str,
        *,
        detail: str = "",
        calls: tuple[Call, ...] = (),
        drafts: tuple[Draft, ...] = (),
    ) -> None:
        self.reason_code = reason_code
        self.detail = detail
        self.calls = calls
        self.drafts = drafts
        super().__init__(message)


class ProviderError(MaabariumError):
    """A model could not be asked, or did not answer.

    `reason` is a code such as `http_429`, `timeout` or `empty_content`; `retry` says whether the same call may
    succeed later, `after` how many seconds the server asks us to wait. The message holds no key.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str = "other",
        retry: bool = False,
        after: float | None = None,
        calls: tuple[Call, ...] = (),
        drafts: tuple[Draft, ...] = (),
    ) -> None:
        self.reason = reason
        self.retry = retry
        self.after = after
        self.calls = calls
        self.drafts = drafts
        super().__init__(message)

    def restated(self, message: str, calls: tuple[Call, ...] = ()) -> ProviderError:
        """The same failure in other words, as a new exception of the nearest kind that this module has."""
        kind = next((kind for kind in (BudgetError, MissingKeyError) if isinstance(self, kind)), ProviderError)
        return kind(message, reason=self.reason, retry=self.retry, after=self.after, calls=calls)


class MissingKeyError(ProviderError):
    """No key was found for a provider that needs one."""


class BudgetError(ProviderError):
    """A budget of tokens or money does not allow the next call."""


class WorkspaceError(MaabariumError):
    """Git or the file system did not do what was asked."""


class EvaluationError(MaabariumError):
    """An evaluator could not do its work. A candidate that crashes or hangs is not this: that is a gate."""


class SandboxError(MaabariumError):
    """A child process could not be started or confined as demanded."""


class StoreError(MaabariumError):
    """The database could not be opened, read or written."""


class ReplayError(StoreError):
    """What is stored of a run would be decided otherwise today, so it cannot be resumed."""
