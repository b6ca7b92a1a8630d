"""For a process that a test will kill: stop for good at a named place, and say so."""
from __future__ import annotations

import time


def wait_for_the_end() -> None:
    """Tell the test that the place is reached, and wait to be killed."""
    print("ready", flush=True)
    time.sleep(600)


def after(owner, name: str, calls: int, half: bool = False) -> None:
    """Let the `calls`-th call of owner.name wait for the end; half: with half a file at the path it was to write."""
    original, left = getattr(owner, name), [calls]

    def stopping(*arguments, **options):
        left[0] -= 1
        if left[0] == 0:
            if half:                       # as a kill while the file is being written leaves it
                next(a for a in arguments if hasattr(a, "write_bytes")).write_bytes(b"half a file")
            wait_for_the_end()
        return original(*arguments, **options)
    setattr(owner, name, stopping)
