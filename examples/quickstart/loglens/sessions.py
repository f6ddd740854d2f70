"""Visits: requests of one visitor with no long pause between them."""

from dataclasses import dataclass

IDLE_SECONDS = 1800
SWEEP_EVERY = 64


@dataclass
class Session:
    """One visit, from its first to its last request."""

    visitor: tuple
    start: float
    end: float
    requests: int = 1

    @property
    def seconds(self):
        return self.end - self.start


def sessions_of(entries):
    """All visits, in the order in which they began. Every now and then the idle ones are put away."""
    open_sessions = {}
    closed = []
    for number, entry in enumerate(entries):
        visitor = (entry.host, entry.agent)
        now = entry.when.timestamp()
        if number % SWEEP_EVERY == 0:
            for key in list(open_sessions.keys()):
                if now - open_sessions[key].end > IDLE_SECONDS:
                    closed.append(open_sessions.pop(key))
        if visitor in open_sessions:
            session = open_sessions[visitor]
            if now - session.end > IDLE_SECONDS:
                closed.append(session)
                open_sessions[visitor] = Session(visitor, now, now)
            else:
                session.end = now
                session.requests += 1
        else:
            open_sessions[visitor] = Session(visitor, now, now)
    closed.extend(open_sessions.values())
    return sorted(closed, key=lambda session: (session.start, session.visitor))
