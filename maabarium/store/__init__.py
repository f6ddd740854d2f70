"""The store: one SQLite file per state folder, in which runs are journals of transitions."""

from maabarium.store.database import Store
from maabarium.store.reader import Request, RequestKind, RunSummary, StoredView

__all__ = ["Request", "RequestKind", "RunSummary", "Store", "StoredView"]
