"""A small collection that is served in this process, and a client that knows the token."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import tiles

pytest.importorskip("starlette", reason="the server comes with the extra web")
pytest.importorskip("httpx", reason="Starlette's TestClient needs httpx")

from starlette.testclient import TestClient  # noqa: E402

from blcf.cli import main  # noqa: E402
from blcf.web import Hosting, Limits, create_app  # noqa: E402

TOKEN = "a token of the tests"
BASE = "http://127.0.0.1:8765"
LIMITS = Limits(body=1 << 20, seconds=20)


@dataclass(frozen=True)
class Served:
    """A collection of twelve scenes in two folders, and the server over it.

    Attributes
    ----------
    folder : holds the scenes (`frames`), the collection (`scenes.blcf`) and other files
    hosting : what is served
    client : knows the token
    """

    folder: Path
    hosting: Hosting
    client: TestClient

    def get(self, address: str, **how):
        return self.client.get(address, **how)

    def post(self, address: str, **how):
        return self.client.post(address, **how)

    def search(self, body: dict, address: str = "/api/collections/scenes/search"):
        return self.client.post(address, json=body)

    @property
    def pictures(self) -> list[dict]:
        return self.get("/api/collections/scenes/pictures").json()["pictures"]

    def path(self, number: int) -> Path:
        return self.folder / "frames" / ("first" if number < 6 else "second") / f"{number:02d}.png"


def make_scenes(folder: Path) -> Path:
    """The folder of a new collection; its scenes 0..5 show the object."""
    for number, one in enumerate(tiles.planted_scenes()[0]):
        part = "first" if number < 6 else "second"
        tiles.save(folder / "frames" / part / f"{number:02d}.png", one)
    with tiles.create(folder / "scenes.blcf") as engine:
        facts = {f"first/{number:02d}.png": {"camera": "A"} for number in range(6)}
        engine.add(folder / "frames", progress=False, facts=facts)
    return folder / "scenes.blcf"


def client_of(app, *, token: str | None = TOKEN, raises: bool = True) -> TestClient:
    client = TestClient(app, base_url=BASE, raise_server_exceptions=raises, follow_redirects=False)
    if token is not None:
        client.headers["Authorization"] = f"Bearer {token}"
    return client


@pytest.fixture(scope="session")
def scenes_collection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("web")
    make_scenes(folder)
    return folder


@pytest.fixture
def own_collection(scenes_collection, tmp_path):
    """A copy that a test may change."""
    shutil.copytree(scenes_collection / "scenes.blcf", tmp_path / "scenes.blcf")
    return tmp_path / "scenes.blcf"


@pytest.fixture(scope="module")
def served(scenes_collection):
    hosting = Hosting([tiles.reopen(scenes_collection / "scenes.blcf")], LIMITS)
    hosting.load()
    app = create_app(hosting, TOKEN, port=8765, load=False)
    with client_of(app) as client:
        yield Served(scenes_collection, hosting, client)


@pytest.fixture
def call(capsys):
    """A command in this process: call(*arguments) gives status, stdout, stderr."""

    def run_here(*arguments):
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as exit:
            status = exit.code
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run_here
