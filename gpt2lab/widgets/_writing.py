"""What widgets share that write for seconds: a thread of their own, so that a new wish or a stop is heard meanwhile."""
from __future__ import annotations

import threading
from typing import Any

import traitlets

from gpt2lab.widgets._base import LessonWidget


class WritingWidget(LessonWidget):
    """Base class: a subclass writes in `_write(turn)` and sends what it has through `_show(turn, ...)`, until that says no."""

    run = traitlets.Int(0, help="counted up by the page: please start, or start anew").tag(sync=True)
    stop = traitlets.Int(0, help="counted up by the page: please stop").tag(sync=True)
    busy = traitlets.Bool(False).tag(sync=True)

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self._turn, self._thread, self._lock = 0, None, threading.Lock()

    def _write(self, turn: int) -> None:
        raise NotImplementedError

    @traitlets.observe("run")
    def _start(self, _change: Any) -> None:
        with self._lock:
            self._turn += 1
        self._thread = threading.Thread(target=self._write, args=(self._turn,), daemon=True)
        self._thread.start()

    @traitlets.observe("stop")
    def _halt(self, _change: Any) -> None:
        with self._lock:
            self._turn += 1
            self.busy = False

    def wait(self, seconds: float = 60.0) -> None:
        """Until what is being written is finished."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _show(self, turn: int, **values: Any) -> bool:
        """Send values to the page together, unless a newer run or a stop has come: then False."""
        with self._lock:
            if turn != self._turn:
                return False
            with self.hold_sync():
                for name, value in values.items():
                    setattr(self, name, value)
            return True
