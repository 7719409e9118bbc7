"""The page of `blcf serve` in a real browser: Debian's chromium, a real server, real pictures.

Every page that a test opens is watched: an error in its console or a breach of its content security
policy fails the test.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_served import FILM, HOSTILE, HOSTILE_FOLDER, TOKEN, Served, Watched
from PIL import Image

PATIENCE = 20_000  # ms that a condition is waited for: this machine may be busy with others
WIDE = {"width": 1280, "height": 900}
BREACHES = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
"""


@pytest.fixture(scope="session")
def browser_path() -> str:
    """Where the browser is; without it, or what drives and serves it, these tests are skipped."""
    pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install '.[test]'"
    )
    for name, extra in (("starlette", "web"), ("uvicorn", "web"), ("av", "video")):
        pytest.importorskip(name, reason=f"{name} is not installed: pip install '.[{extra}]'")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("there is no chromium here: apt-get install chromium")
    return path


@pytest.fixture(scope="module")
def chromium(browser_path: str) -> Iterator[Any]:
    """The browser.

    Of a module: while it is there an event loop runs in this thread, which others would meet.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Root has no sandbox in a container, and /dev/shm is small there.
        how = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=browser_path, args=how)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def scenes(browser_path: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scenes of the demo, with their truth: photographs that libraries carry."""
    from blcf.demo import write_scenes

    folder = tmp_path_factory.mktemp("browser") / "scenes"
    write_scenes(folder)
    return folder


@pytest.fixture(scope="session")
def collection(scenes: Path) -> Path:
    """Scenes, two pictures with hostile names, and a film of two shots; indexed, and a copy."""
    from blcf import SearchEngine

    images = scenes / "images"
    (images / HOSTILE_FOLDER).mkdir()
    shutil.copy(images / "moon.jpg", images / HOSTILE_FOLDER / HOSTILE)
    shutil.copy(images / "lake.jpg", images / HOSTILE)
    _write_film(images / FILM, images)
    path = scenes.parent / "frames.blcf"
    with SearchEngine.create(path) as engine:
        engine.add(images, every=0.25, progress=False)
        names = [name for name in engine.names if name.startswith(("coins", "lake"))]
        engine.annotate({name: {"camera": name[0].upper()} for name in names})
    shutil.copytree(path, path.with_name("again.blcf"))
    return path


def _write_film(path: Path, images: Path) -> None:
    """Four seconds: two over coins that lie there, two over a lake with something in it."""
    from footage import write_film

    frames = []
    for name in ("coins-1.jpg", "lake-1.jpg"):
        with Image.open(images / name) as picture:
            whole = picture.convert("RGB").resize((440, 330))
        frames += [np.asarray(whole.crop((n, 5, n + 400, 305))) for n in range(0, 40, 2)]
    write_film(path, frames, rate=10)


@pytest.fixture(scope="session")
def start(collection: Path) -> Iterator[Callable[[], Served]]:
    """Starts a server, as a user does."""
    started: list[subprocess.Popen[str]] = []

    def begin() -> Served:
        folders = [str(collection), str(collection.with_name("again.blcf"))]
        how = ["serve", *folders, "--port", "0", "--token", TOKEN]
        process = subprocess.Popen(
            [sys.executable, "-m", "blcf", *how],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        started.append(process)
        assert process.stdout is not None
        limit = threading.Timer(90, process.kill)  # what never says its address is ended
        limit.start()
        line = next((one for one in process.stdout if "http" in one), "")
        limit.cancel()
        assert line, "the server printed no address"
        return Served(line[line.index("http") :].split()[0], process, collection.parent / "scenes")

    yield begin
    for process in started:
        process.kill()
        process.wait(timeout=30)


@pytest.fixture(scope="session")
def served(start: Callable[[], Served]) -> Served:
    """The server that the tests share."""
    return start()


@pytest.fixture
def watched() -> Iterator[Watched]:
    """What pages of this test complained of; asserted to be nothing at its end."""
    found = Watched()
    yield found
    found.check()


@pytest.fixture
def browse(chromium: Any, served: Served, watched: Watched) -> Iterator[Callable[..., Any]]:
    """Opens the page: browse(fragment="", server=served, **how of the browser's context)."""
    contexts: list[Any] = []

    def begin(fragment: str = "", server: Served = served, **how: Any) -> Any:
        context = chromium.new_context(**{"viewport": WIDE, "accept_downloads": True, **how})
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        context.add_init_script(BREACHES)
        page = context.new_page()
        page.on("pageerror", lambda error: watched.complaints.append(f"error: {error}"))
        page.on(
            "console",
            lambda one: one.type in ("error", "warning")
            and watched.complaints.append(f"{one.text} {one.location.get('url', '')}"),
        )
        page.goto(server.address + fragment)
        page.locator("#listed li, #hit-list li").first.wait_for(state="attached")
        return page

    yield begin
    for context in contexts:
        context.close()


@pytest.fixture
def page(browse: Callable[..., Any]) -> Any:
    """The page, at its beginning."""
    return browse()


@pytest.fixture(scope="session")
def truth(scenes: Path) -> dict[str, dict[str, Any]]:
    """Of each photograph of an object: its box, and the scenes that show it."""
    queries = json.loads((scenes / "gt.json").read_text("utf-8"))["queries"]
    return {one["object"]: one for one in queries if one["box"]}
