"""`blcf serve` as a process: the address that it prints, how it ends, what it refuses to begin."""

from __future__ import annotations

import http.client
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
import tiles
from PIL import Image

from blcf.errors import FormatError, InvalidInput
from blcf.web import Address, Limits, serve
from blcf.web.server import _Server

ROOT = Path(__file__).resolve().parents[2]
HANG = 60


def start(*arguments) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "blcf", "serve", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)


def address_of(process: subprocess.Popen) -> tuple[int, str]:
    """The port and the token of the line that it prints."""
    assert select.select([process.stdout], [], [], HANG)[0]
    line = process.stdout.readline()
    found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\?token=([\w-]{32})\n", line)
    assert found, line
    return int(found[1]), found[2]


def get(port: int, target: str, token: str | None = None) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG)
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    connection.request("GET", target, headers=headers)
    answered = connection.getresponse()
    answered.content = answered.read()
    connection.close()
    return answered


def client_of_readme() -> str:
    """The Python client that README shows."""
    shown = re.findall(r"```py\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    (code,) = (one for one in shown if "urllib" in one)
    return code


def test_the_client_of_readme(tmp_path, monkeypatch, capsys, planted):
    """Ten lines that find the object, against a server in this process, over a socket."""
    code = client_of_readme()
    assert len([line for line in code.splitlines() if line.strip()]) <= 11
    shutil.copytree(planted.engine().path, tmp_path / "frames.blcf")
    Image.fromarray(planted.picture.repeat(4, 0).repeat(4, 1)).save(
        tmp_path / "query.jpg", quality=100
    )
    monkeypatch.chdir(tmp_path)
    told, said = threading.Event(), []

    def run():
        serve([tiles.reopen("frames.blcf")], port=0, token="THE-TOKEN", say=tell)

    def tell(address):
        said.append(address)
        told.set()

    monkeypatch.setattr("blcf.web.server._Server.capture_signals", lambda server: nullcontext())
    servers = []
    made = _Server.__init__

    def remember(server, config):
        made(server, config)
        servers.append(server)

    monkeypatch.setattr(_Server, "__init__", remember)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert told.wait(HANG)
    code = code.replace("THE TOKEN", "THE-TOKEN").replace(":8765", f":{said[0].port}")
    finished = time.monotonic() + HANG
    while b'"loading"' in get(said[0].port, "/api/health", "THE-TOKEN").content:
        assert time.monotonic() < finished
    exec(compile(code.replace("120, 80, 420, 310", "128, 128, 384, 384"), "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12 and lines[0].startswith("1 0") and lines[0].endswith("]")
    servers[0].should_exit = True
    thread.join(HANG)
    assert not thread.is_alive()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_from_its_begin_to_its_end(scenes_collection, end):
    """The network of this collection is not at hand: it is listed and shown all the same."""
    process = start(scenes_collection / "scenes.blcf", "--port", 0)
    try:
        port, token = address_of(process)
        assert get(port, "/").status == 401 and get(port, "/..%2f", token).status == 404
        entered = get(port, f"/?token={token}")
        assert entered.status == 303 and entered.getheader("server") is None
        finished = time.monotonic() + HANG
        while b'"loading"' in get(port, "/api/health", token).content:
            assert time.monotonic() < finished
        health = get(port, "/api/health", token)
        assert b'"ready"' in health.content and b"was made with your own" in health.content
        listed = get(port, "/api/collections/scenes/pictures", token)
        assert listed.status == 200 and b'"total":12' in listed.content
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.sendall(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
            assert raw.recv(99).startswith(b"HTTP/1.1 421 ")
        begun = time.monotonic()
        process.send_signal(end)
        out, err = process.communicate(timeout=HANG)
        assert process.returncode == 0 and time.monotonic() - begun < 5
        assert out == "" and err.splitlines()[-1] == "blcf: the server has ended"
        assert err.splitlines()[0] == "blcf: serving; Ctrl-C ends it" and "Traceback" not in err
    finally:
        process.kill()
        process.wait()


def test_a_port_that_is_taken(call, scenes_collection):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, out, err = call("serve", scenes_collection / "scenes.blcf", "--port", port)
    assert status == 2 and out == ""
    assert err.startswith(f"blcf: Cannot listen on 127.0.0.1, port {port}: Address already in use.")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "", "a b"])
def test_a_host_that_is_not_of_this_machine(call, scenes_collection, host):
    status, _, err = call("serve", scenes_collection / "scenes.blcf", "--host", host, "--port", 0)
    assert status == 2 and err.startswith("blcf: Cannot listen on") and len(err.splitlines()) == 1


def test_collections_that_are_none(call, own_collection, tmp_path):
    for path, said in (("no.blcf", "no collection"), ("empty", "no collection")):
        (tmp_path / "empty").mkdir(exist_ok=True)
        status, _, err = call("serve", tmp_path / path, "--port", 0)
        assert status == 2 and said in err.lower() and len(err.splitlines()) == 1, err
    (own_collection / "manifest.json").write_text("{")
    status, _, err = call("serve", own_collection, "--port", 0)
    assert status == 2 and "damaged" in err and len(err.splitlines()) == 1
    shutil.copy(own_collection / "manifest.backup.json", own_collection / "manifest.json")
    (segment,) = [one for one in (own_collection / "segments").iterdir() if "names" not in one.name]
    segment.write_bytes(segment.read_bytes()[:-100])
    status, _, err = call("serve", own_collection, "--port", 0)
    assert status == 2 and "damaged" in err and len(err.splitlines()) == 1


def test_without_its_libraries(call, scenes_collection, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[:2] == ["blcf", "web"]]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("blcf.web", raising=False)
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    status, _, err = call("serve", scenes_collection / "scenes.blcf", "--port", 0)
    assert status == 2 and "pip install" in err and "blcf[web]" in err


@pytest.mark.parametrize(
    "token", ["short", "with space", "t\xf6ken t\xf6ken", "x" * 201, "tab\tand so"]
)
def test_tokens_that_are_none(scenes_collection, token):
    with pytest.raises(InvalidInput, match="Expected a token of 8 to 200"):
        serve([], token=token, port=0)


def test_addresses():
    assert Address("127.0.0.1", 80, "a/b").url == "http://127.0.0.1:80/?token=a%2Fb"
    assert Address("0.0.0.0", 80, "t").url == "http://127.0.0.1:80/?token=t"
    assert Address("::1", 80, "t").url == "http://[::1]:80/?token=t"
    assert not Address("0.0.0.0", 80, "t").is_local
    assert Address("0.0.0.0", 80, "t").name == socket.gethostname()
    assert Address("10.0.0.1", 80, "t").name == "10.0.0.1"


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "0"])
def test_what_is_said(call, scenes_collection, monkeypatch, host):
    """The warning where others reach it; the browser where it is asked for."""
    opened, is_open = [], threading.Event()

    def open_browser(url):
        opened.append(url)
        is_open.set()
        return True

    monkeypatch.setattr("blcf.web.server._Server.run", lambda server, sockets: None)
    monkeypatch.setattr("webbrowser.open", open_browser)
    path = scenes_collection / "scenes.blcf"
    token = "a-token-of-ours"
    status, out, err = call(
        "serve", path, path, "--host", host, "--port", 0, "--open", "--token", token
    )
    assert status == 0 and out.endswith(f"/?token={token}\n") and is_open.wait(HANG)
    assert opened == [out.strip()]
    assert ("nothing is encrypted" in err) == (host != "127.0.0.1")


def test_a_damaged_collection_is_told_before_anything_is_said(own_collection):
    engine = tiles.reopen(own_collection)
    for one in (own_collection / "segments").iterdir():
        one.write_bytes(b"x" * one.stat().st_size)
    with pytest.raises(FormatError):
        engine.refresh()
        serve([tiles.reopen(own_collection)], port=0, limits=Limits(), say=pytest.fail)
