"""A large picture that ended a run is passed over by the next, until it is asked for again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from tiles import create, reopen

from blcf.images import bounds

KILLED = """
import os, signal, sys
import tiles
from blcf import SearchEngine
from blcf.images import bounds, reading
bounds.LARGE_BYTES = 0
decode, n_decoded = reading.decode, []
def killing(*arguments):
    n_decoded.append(1)
    if len(n_decoded) == 5:
        os.kill(os.getpid(), signal.SIGKILL)  # as the system does when there is no more memory
    return decode(*arguments)
reading.decode = killing
SearchEngine.open(sys.argv[1], network=tiles.TileNetwork()).add(sys.argv[2], progress=False)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_a_kill(scenes, tmp_path, monkeypatch):
    engine = create(tmp_path / "c.blcf", n_words=20)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(engine.collection.path), str(scenes)],
        env=environment,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL
    n_left = len(list(engine.collection.path.glob("decoding/*.json")))
    assert 1 <= n_left <= 2  # two threads read
    monkeypatch.setattr(bounds, "LARGE_BYTES", 0)
    again = reopen(engine.collection.path)
    for _ in range(2):
        report = again.add(scenes, progress=False)
        assert len(report.skipped) == n_left and len(again) == 12 - n_left
        assert all("a run was ended" in reason for reason in report.skipped.values())
    assert again.collection.skipped() == report.skipped
    asked = [scenes / name for name in report.skipped]
    report = again.add(asked, root=scenes, replace=True, progress=False)
    assert report.n_added == n_left and not report.skipped
    assert not (engine.collection.path / "decoding").exists()
