"""A server as a process of its own, and clients that keep their connections."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Attributes
    ----------
    port, token : of its address
    name : of its collection
    process : number of the process
    """

    port: int
    token: str
    name: str
    process: int

    def cpu(self) -> float:
        """Seconds of processors that it has used."""
        fields = Path(f"/proc/{self.process}/stat").read_text("utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """Bytes of memory that are its own: without those of mapped files."""
        status = Path(f"/proc/{self.process}/status").read_text("utf-8")
        return 1024 * int(re.findall(r"RssAnon:\s+(\d+) kB", status)[0])


@dataclass(frozen=True)
class Waits:
    """How fast something was.

    Attributes
    ----------
    per_second : how often it was done
    times : that each took, s
    cpu : seconds of processors that each took
    """

    per_second: float
    times: list[float]
    cpu: float


@contextmanager
def run_server(path: Path) -> Iterator[Server]:
    """`blcf serve` of a collection, once it is ready."""
    command = [sys.executable, "-m", "blcf", "serve", str(path), "--port", "0", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r":(\d+)/\?token=(\S+)", process.stdout.readline())
        assert found, "the server did not begin"
        try:
            server = Server(int(found[1]), found[2], path.name.removesuffix(".blcf"), process.pid)
            client = Client(server)
            while client.get_json("/api/health")["status"] == "loading":
                time.sleep(0.1)
            yield server
        finally:
            process.terminate()


class Client:
    """One that asks a server over a connection of its own."""

    def __init__(self, server: Server):
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        self._headers = {
            "Authorization": f"Bearer {server.token}",
            "Content-Type": "application/json",
        }
        self.collection = f"/api/collections/{server.name}"

    def _ask(self, method: str, address: str, body: bytes | None = None) -> bytes:
        self._connection.request(method, address, body, self._headers)
        answered = self._connection.getresponse()
        content = answered.read()
        if answered.status != 200:
            raise RuntimeError(f"{address}: {answered.status} {content[:300]!r}")
        return content

    def get(self, address: str) -> bytes:
        """What lies at an address."""
        return self._ask("GET", address)

    def get_json(self, address: str) -> Any:
        """The same, read."""
        return json.loads(self.get(address))

    def send(self, body: bytes) -> bytes:
        """The answer to a search, not read: that is the client's own time."""
        return self._ask("POST", f"{self.collection}/search", body)

    def search(self, body: bytes) -> Any:
        """The answer to a search."""
        return json.loads(self.send(body))


def hammer(
    make: Callable[[], Callable[[int], object]],
    n_threads: int,
    n: int,
    cpu: Callable[[], float] = time.process_time,
) -> Waits:
    """Do something n times in some threads; how often a second, and how long each took.

    Parameters
    ----------
    make : gives each thread what it does with the numbers 0 .. n - 1
    cpu : gives the seconds of processors that were used, of this process or of a server
    """
    numbers, times, lock = iter(range(n)), [], threading.Lock()
    failed: list[Exception] = []

    def work() -> None:
        try:
            do = make()
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                begun = time.perf_counter()
                do(number)
                times.append(time.perf_counter() - begun)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(n_threads)]
    begun, used = time.perf_counter(), cpu()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds, used = time.perf_counter() - begun, cpu() - used
    if failed:
        raise failed[0]
    return Waits(n / seconds, times, used / n)
