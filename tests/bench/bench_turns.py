"""How many rounds a bench has time for."""

from __future__ import annotations

import time
from collections.abc import Callable


class Turns:
    """Counts rounds: until there are `wanted`, or another as long as the longest so far would
    end after `ends` (of `clock`; None: however long it takes). There is one at least."""

    def __init__(self, wanted: int, ends: float | None = None,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self.wanted, self.ends, self.clock = wanted, ends, clock
        self.done = 0
        self.longest = 0.0
        self.began = clock()

    def another(self) -> bool:
        """Whether to do one more; called between all rounds, and before the first."""
        now = self.clock()
        if self.done:
            self.longest = max(self.longest, now - self.began)
        self.began = now
        if self.done and (self.done >= self.wanted
                          or (self.ends is not None and now + self.longest > self.ends)):
            return False
        self.done += 1
        return True
