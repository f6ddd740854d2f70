"""A cache that forgets what was used least recently, and what is too old."""

from collections import OrderedDict


class Cache:
    """At most `size` entries, each for at most `lifetime` ticks of `clock` (None: for ever)."""

    def __init__(self, size, lifetime=None, clock=None):
        if size < 1:
            raise ValueError("size must be positive")
        self.size = size
        self.lifetime = lifetime
        self.clock = clock
        self.hits = 0
        self.misses = 0
        self._entries = OrderedDict()

    def __len__(self):
        return len(self._entries)

    def __contains__(self, key):
        return key in self._entries and not self._expired(key)

    def _now(self):
        return self.clock() if self.clock is not None else 0

    def _expired(self, key):
        if self.lifetime is None:
            return False
        _, stored = self._entries[key]
        return self._now() - stored >= self.lifetime

    def put(self, key, value):
        """Store a value; the entry that was not used for longest makes room."""
        if key in self._entries:
            del self._entries[key]
        elif len(self._entries) >= self.size:
            self._entries.popitem(last=False)
        self._entries[key] = (value, self._now())

    def get(self, key, default=None):
        """The value of a key, which counts as a use of it."""
        if key not in self._entries:
            self.misses += 1
            return default
        if self._expired(key):
            del self._entries[key]
            self.misses += 1
            return default
        self.hits += 1
        self._entries.move_to_end(key)
        return self._entries[key][0]

    def discard(self, key):
        """Forget a key; True if it was there."""
        if key in self._entries:
            del self._entries[key]
            return True
        return False

    def purge(self):
        """Forget all that is too old and say how many that were."""
        old = [key for key in self._entries if self._expired(key)]
        for key in old:
            del self._entries[key]
        return len(old)

    def keys(self):
        """Keys, the most recently used first."""
        return list(reversed(self._entries))

    def hit_rate(self):
        """Share of look-ups that found something; 0.0 before the first."""
        total = self.hits + self.misses
        return self.hits / total if total else 0.0
