"""What the tests of the page share: a server as it is started, and what its pages complained of."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["FILM", "HOSTILE", "HOSTILE_FOLDER", "TOKEN", "Served", "Watched"]

TOKEN = "the-token-of-the-tests"
HOSTILE = "<img src=x onerror=document.title='taken'>.jpg"
HOSTILE_FOLDER = "<b onmouseover=alert(1)> & 'day' 1"
FILM = "two shots.mp4"


@dataclass(frozen=True)
class Served:
    """A server, and what it serves."""

    address: str
    process: subprocess.Popen[str]
    folder: Path

    @property
    def origin(self) -> str:
        return self.address.split("/?")[0]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)


@dataclass
class Watched:
    """What pages complained of; `expected` are parts of complaints that a test provokes."""

    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def check(self) -> None:
        left = [one for one in self.complaints if not any(part in one for part in self.expected)]
        assert left == []
