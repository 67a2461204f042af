"""Waiting for what another process does."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], seconds: float) -> float:
    """Return the seconds until ``condition()`` was true; raise TimeoutError after ``seconds``."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            raise TimeoutError(f"Not true within {seconds} s.")
        time.sleep(0.02)
    return time.monotonic() - started
