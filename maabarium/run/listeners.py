"""What a run has listen to its own events, as any plug-in could: the log, and the pin on its base commit."""

from __future__ import annotations

from maabarium.log import Level, RunLog
from maabarium.plugins.hookspecs import Event, RunFinish, RunStart, hookimpl
from maabarium.records import Outcome
from maabarium.workspace.repository import Repository

__all__ = ["LoggingPlugin", "PinningPlugin"]


class LoggingPlugin:
    """One JSON line per transition; payloads stay in the database."""

    def __init__(self, log: RunLog) -> None:
        self._log = log
        self._run = ""

    @hookimpl
    def maabarium_run_start(self, request: RunStart) -> None:
        """A run starts or is resumed."""
        self._run = request.run_id
        self._log.write("info", "run_start", run=request.run_id, resumed=request.resumed)

    @hookimpl
    def maabarium_event(self, event: Event) -> None:
        """A transition was stored."""
        self._log.write("debug", event.type, run=event.run_id, sequence=event.sequence, number=event.number)

    @hookimpl
    def maabarium_experiment_finish(self, request: Outcome) -> None:
        """An experiment ended."""
        level: Level = "error" if request.verdict == "error" else "info"
        self._log.write(
            level,
            "experiment_finish",
            run=self._run,
            number=request.number,
            verdict=request.verdict,
            reason_code=request.reason_code,
            reason=request.reason,
        )

    @hookimpl
    def maabarium_run_finish(self, request: RunFinish) -> None:
        """A run ended."""
        self._log.write("info", "run_finish", run=request.run_id, state=request.state, reason=request.reason)


class PinningPlugin:
    """Pins the base commit in the user's repository once the run is stored: a pin without a run would stay for ever."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    @hookimpl
    def maabarium_event(self, event: Event) -> None:
        """A transition was stored. A resumed run is pinned when it is opened, so a kill in between harms nothing."""
        if event.type == "run_started":
            self._repository.pin(event.run_id)
