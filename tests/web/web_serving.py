"""A server in this process, and a client of Starlette's that knows its token."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from web_asking import TOKEN

pytest.importorskip("starlette", reason="the server comes with the extra web")
pytest.importorskip("httpx", reason="Starlette's TestClient needs httpx")

from starlette.testclient import TestClient  # noqa: E402

from blcf.web import Hosting, Limits  # noqa: E402

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


def client_of(app, *, token: str | None = TOKEN, raises: bool = True) -> TestClient:
    client = TestClient(app, base_url=BASE, raise_server_exceptions=raises, follow_redirects=False)
    if token is not None:
        client.headers["Authorization"] = f"Bearer {token}"
    return client
