"""The whole analysis of one log."""

from dataclasses import dataclass, field

from loglens.agents import family
from loglens.hosts import is_internal
from loglens.parser import read_entries
from loglens.paths import is_asset, route, words
from loglens.sessions import sessions_of
from loglens.statistics import count, grouped, percentile, spread, top, unique

ERRORS = [500, 501, 502, 503, 504, 507, 508, 511]


@dataclass
class RouteTimes:
    """Times of one route, in seconds."""

    route: str
    requests: int
    median: float
    p90: float
    p99: float


@dataclass
class Analysis:
    """What a log says."""

    requests: int = 0
    skipped: int = 0
    size: int = 0
    internal: int = 0
    addresses: int = 0
    paths: int = 0
    visitors: int = 0
    robots: int = 0
    sessions: int = 0
    requests_per_session: float = 0.0
    statuses: dict = field(default_factory=dict)
    hours: dict = field(default_factory=dict)
    families: list = field(default_factory=list)
    routes: list = field(default_factory=list)
    times: list = field(default_factory=list)
    slow: list = field(default_factory=list)
    failing: list = field(default_factory=list)
    words: list = field(default_factory=list)
    spread: float = 0.0
    size_spread: float = 0.0
    pause_spread: float = 0.0


def analyse(lines, limit=10, slow_seconds=1.0):
    """Analyse the lines of a log. Lists are cut to `limit`; `slow_seconds` is what counts as slow."""
    entries, skipped = read_entries(lines)
    pages = pages_of(entries)
    people = without_robots(entries)
    sessions = sessions_of(people)
    return Analysis(
        requests=len(entries),
        skipped=skipped,
        size=sum([entry.size for entry in entries]),
        internal=len([entry for entry in entries if is_internal(entry.host)]),
        addresses=len(unique(entry.host for entry in entries)),
        paths=len(unique(entry.path for entry in pages)),
        visitors=len(unique((entry.host, entry.agent) for entry in people)),
        robots=len(entries) - len(people),
        sessions=len(sessions),
        requests_per_session=len(people) / len(sessions) if sessions else 0.0,
        statuses=dict(sorted(count(entry.status for entry in entries).items())),
        hours=requests_by_hour(entries),
        families=top(count(family(entry.agent) for entry in people), limit),
        routes=top(count(route(entry.path) for entry in pages), limit),
        times=route_times(pages, limit),
        slow=slow_requests(pages, limit, slow_seconds),
        failing=top(count(route(entry.path) for entry in entries if entry.status in ERRORS), limit),
        words=top(count(words(pages)), limit),
        spread=spread([entry.seconds for entry in entries]),
        size_spread=spread([entry.size for entry in entries]),
        pause_spread=spread(pauses(entries)),
    )


def pages_of(entries):
    """Requests of pages: all but those of static files."""
    pages = []
    for entry in entries:
        if not is_asset(entry):
            pages = pages + [entry]
    return pages


def without_robots(entries):
    """Requests from addresses that no robot ever used."""
    robots = [entry.host for entry in entries if family(entry.agent) == "Robot"]
    return [entry for entry in entries if entry.host not in robots]


def pauses(entries):
    """Seconds from each request to the next."""
    times = [entry.when.timestamp() for entry in entries]
    return [later - earlier for earlier, later in zip(times, times[1:])]


def requests_by_hour(entries):
    """Requests per hour of the day, every hour present."""
    hours = {}
    for hour in range(24):
        hours[hour] = 0
    for entry in entries:
        hours[entry.when.hour] += 1
    return hours


def route_times(entries, limit):
    """Times of the routes that take longest, by their 90th percentile."""
    times = []
    for name, group in grouped(entries, lambda entry: route(entry.path)).items():
        seconds = []
        for entry in group:
            seconds.append(entry.seconds)
        times.append(
            RouteTimes(
                route=name,
                requests=len(seconds),
                median=percentile(seconds, 0.5),
                p90=percentile(seconds, 0.9),
                p99=percentile(seconds, 0.99),
            )
        )
    return sorted(times, key=lambda item: (-item.p90, item.route))[:limit]


def slow_requests(entries, limit, slow_seconds):
    """The slowest requests as (seconds, method, path), slowest first."""
    found = []
    for entry in entries:
        if entry.seconds >= slow_seconds:
            found.append((entry.seconds, entry.method, entry.path))
    return sorted(found, reverse=True)[:limit]
