"""Requests that nobody means: a sentence and 4xx for each; nothing outside is read or changed."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image
from web_asking import BEARER, JSON, TOKEN, ask

SEARCH = "/api/collections/scenes/search"
EVIDENCE = "/api/collections/scenes/evidence"
PICTURES = "/api/collections/scenes/pictures"
BYTES = {**BEARER, "content-type": "application/octet-stream"}

_opened: list[str] = []
_is_watching = False


def _watch(event, arguments):
    if _is_watching and event == "open" and isinstance(arguments[0], (str, bytes)):
        _opened.append(os.fsdecode(arguments[0]))


sys.addaudithook(_watch)


def picture(size=(64, 64)) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.zeros((*size[::-1], 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(side: int) -> bytes:
    """A PNG that says it is large."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + head
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


PICTURE = text(picture())
ID = {"id": "0"}
SECRET = "SECRET"  # stands for a picture outside of the collection

# Addresses that lead nowhere: method, target.
ADDRESSES = [
    *("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc%2fpasswd", "//etc/passwd"),
    *("/page/../app.py", "/page/..%2fapp.py", "/page/%2e%2e%2fapp.py", "/page/..%5capp.py"),
    *("/page/%00", "/page/index.html%00.js", "/page/.", "/page/", "/page", "/page/a/b"),
    *("/page/%2fetc%2fpasswd", "/page/" + "a" * 5000, "/page/__init__.py", "/page/INDEX.HTML"),
    *("/api/", "/api//health", "/api/health/", "/API/health", "/api/nothing", "/etc/passwd"),
    *("/api/collections/", "/api/collections/other/pictures", "/api/collections/../pictures"),
    *("/api/collections/%2e%2e/pictures", "/api/collections/scenes.blcf/pictures"),
    *("/api/collections/%00/pictures", "/api/collections/" + "x" * 9000 + "/pictures"),
    *("/api/collections/scenes%2f..%2fscenes/pictures", "/api/collections/scenes/manifest.json"),
    *(f"{PICTURES}/{one}" for one in ("-1", "12", "0x0", "1e3", "1.0", "%00", "00", "+1", "%201")),
    *(
        f"{PICTURES}/{one}"
        for one in ("9" * 18, "9" * 19, "9" * 20, "9" * 5000, "%D9%A1", "a", "..")
    ),
    *(f"{PICTURES}/first%2f00.png", f"{PICTURES}/%2fetc%2fpasswd", f"{PICTURES}/..%2f..%2fSECRET"),
    *(f"{PICTURES}/{one}/image" for one in ("-1", "99", SECRET, "%2e%2e", "0%00", "null", "NaN")),
    *(f"{PICTURES}/0/film", f"{PICTURES}/0/other", f"{PICTURES}/0/thumbnail/320"),
    *(
        f"{PICTURES}/0/thumbnail?side={one}"
        for one in ("0", "-1", "1000000", "321", "", "a", "1e9")
    ),
    *(f"{PICTURES}?limit={one}" for one in ("0", "-1", "501", "a", "1.5", "9" * 99, "", "%D9%A1")),
    *(
        f"{PICTURES}?folder={one}"
        for one in ("..", "/", "/etc", "%00", "first/..", "x" * 19_000, "FIRST")
    ),
    *(f"{PICTURES}?film={one}" for one in ("..", "/etc/passwd", "%00", "a.mp4", "x" * 30_000)),
    *(f"{PICTURES}?after={one}" for one in ("*", "a", "====", "%00", "%ff")),
    *(f"{PICTURES}?{one}=1" for one in ("path", "root", "__class__", "limit[]", "k")),
    *("/api/uploads/" + one for one in ("0", "a" * 32, "..", "%2e%2e%2fSECRET", "%00", "x" * 9999)),
]
# Conditions: SQL of a stranger.
CONDITIONS = [
    *("1; DROP TABLE pictures", "1) OR (1", "1 -- x", "/* x", "SELECT 1", "(SELECT 1)", "1 UNION"),
    *("load_extension('x')", "readfile('/etc/passwd')", "writefile('x', 'y')", "random()", "'"),
    *("ATTACH 'x' AS y", "PRAGMA user_version", "sqlite_version()", "\0", "\ud800", "(" * 300),
    *(
        "x" * 10_001,
        "no_column = 1",
        "name REGEXP 'a'",
        "printf('%1000000000d', 1) = ''",
        "?",
        ":a",
    ),
    *("zeroblob(1000000000) = ''", "id IN sqlite_master", "VALUES (1)", "WITH x AS (1)", '1 = "x"'),
    *("fts3_tokenizer('x')", "hex(name) = ''", " ", "name = 1;", "group_concat(name) = ''"),
]
# Examples, of the body {"examples": [...]}.
EXAMPLES = [
    *({}, [], None, 7, "first/00.png", "/etc/passwd", {"id": None}, {"id": 0}, {"id": ["0"]}),
    *({"id": "99"}, {"id": SECRET}, {"id": "../SECRET"}, {"id": "first/00.png"}, {"id": "-1"}),
    *({"id": "9" * 40}, {"id": "0" * 99}, {"id": "0\0"}, {"id": "0", "upload": "x"}, {"id": True}),
    *({"upload": "x"}, {"upload": SECRET}, {"upload": "../" * 9}, {"upload": {}}, {"upload": "\0"}),
    *(
        {"image": SECRET},
        {"image": "/etc/passwd"},
        {"image": "%%%"},
        {"image": ""},
        {"image": "AAAA"},
    ),
    *({"image": 7}, {"image": None}, {"image": text(bomb(60_000))}, {"image": text(b"GIF89a")}),
    *(
        {"image": text(picture()[:60])},
        {"image": text(bomb(13_000))},
        {"image": text(picture((4, 4)))},
    ),
    *({"frame": "first/00.png"}, {"path": SECRET}, {**ID, "name": "x"}, {**ID, "__class__": 1}),
    *(
        {**ID, "box": one}
        for one in ([0, 0, 0, 0], [-9, -9, -1, -1], [5, 5, 1, 1], [0, 0, 9], "0,0,9,9")
    ),
    *(
        {**ID, "box": one}
        for one in ([0, 0, 9, "9"], [0, 0, 9, None], [0, 0, 9, True], {}, 7, [[0, 0, 9, 9]])
    ),
    *(
        {**ID, "box": one}
        for one in ([999, 999, 1999, 1999], [1e308, 0, 1e309, 9], [10**400, 0, 9, 9], [])
    ),
    *(
        {**ID, "polygon": one}
        for one in ([], [[0, 0]], [[0, 0], [1, 1]], [[0, 0], [9, 9], [18, 18]], "x")
    ),
    *(
        {**ID, "polygon": one}
        for one in ([[0]] * 3, [0, 0, 9, 9], [[0, "1"]] * 3, [[0, 0, 0]] * 3, {})
    ),
    {**ID, "polygon": [[n % 99, n // 99] for n in range(100_000)]},
    {**ID, "polygon": [[n % 99, n // 99] for n in range(2_001)]},
    *(
        {**ID, "mask": one}
        for one in ("x", SECRET, "/etc/passwd", PICTURE, "", 7, [[1]], text(bomb(60_000)))
    ),
    *({**ID, "how": one} for one in ("x", 7, None, [], "h" * 99_999, {"a": 1})),
    {**ID, "box": [0, 0, 9, 9], "polygon": [[0, 0], [9, 0], [9, 9]]},
    {**ID, "box": [0, 0, 9, 9], "mask": PICTURE},
]
# Options beside one good example.
OPTIONS = [
    *({"k": one} for one in (0, -1, 1_001, 10**22, 1.5, "7", None, True, [1], {}, 10**4000)),
    *(
        {"depth": 1_001},
        {"depth": 0},
        {"n_boxes": 21},
        {"rounds": 6},
        {"n_expand": 101},
        {"alpha": 101},
    ),
    *({"query_side": 2_049}, {"query_side": 0}, {"query_side": 8_192}, {"query_side": "384"}),
    *({"query_scales": one} for one in ([], [0], [5], [1] * 17, "1,2", [None], 1, [[1]])),
    *({"query_side": 2_048, "query_scales": [4]}, {"query_side": 2_048, "query_scales": [1] * 16}),
    *({"shares": one} for one in ([], [0], [33], [1] * 9, [1.5], "1", [True])),
    *({"rerank": one} for one in (1, 0, "true", None, [])),
    *({"windows": one} for one in ("x", None, 7, [], "votes" * 99_999)),
    *({"expand": None}, {"guard": "x"}, {"fusion": "x"}, {"verify": "boxes"}, {"pyramid": 1}),
    *({"approximate": one} for one in (0, 1.1, "x", [])),
    *({"group": one} for one in ("x", 7, [], {}, "shot" * 999)),
    *({"group": "near", "k": 251}, {"negatives": 7}, {"negatives": [7]}, {"negatives": [ID] * 16}),
    *(
        {"no_such": 1},
        {"K": 1},
        {"": 1},
        {"x" * 99_999: 1},
        {"image": SECRET},
        {"frame": "x"},
        {"path": "x"},
    ),
    *({"where": one} for one in (7, [], {}, True, "x" * 99_999)),
]
# Whole bodies: bytes, and the status.
BODIES = [
    *(
        b"",
        b"x",
        b"[]",
        b"null",
        b"7",
        b'"x"',
        b"{",
        b"{}",
        b'{"examples": []}',
        b'{"examples": 7}',
    ),
    *(
        b'{"examples": [{"id": "0", "box": [NaN, 0, 9, 9]}]}',
        b'{"examples": [{"id": "0"}], "k": Infinity}',
    ),
    *(
        b'{"examples": [{"id": "0"}], "alpha": 1e999}',
        b'{"examples": [{"id": "0"}], "k": -Infinity}',
    ),
    *(
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        b'{"examples": [{"id": "\xff"}]}',
        b"\0" * 999,
        b'{"a": "\\ud800"}',
    ),
    *(
        b"[" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b'{"examples": ' + b"[" * 900 + b"]" * 900 + b"}",
    ),
    *(
        b"[" + b"0," * 450_000 + b"0]",
        b'{"k": ' + b"9" * 900_000 + b"}",
        b'{"examples": ["' + b"x" * 900_000 + b'"]}',
    ),
    *(
        b'{"examples": [{"id": "0"}]' + b"," * 9 + b"}",
        b"{'examples': [{'id': '0'}]}",
        b"examples=1",
        b"<x/>",
    ),
    json.dumps({"examples": [ID] * 17}).encode(),
    json.dumps({"examples": [ID] * 10_000}).encode(),
    b'{"examples": [{"image": "' + b"A" * (1 << 20) + b'"}]}',
]
# The address of a search whose body is a picture.
RAW = [
    *(
        "k=x",
        "k=0",
        "k=99999",
        "k=" + "9" * 5000,
        "box=1,2,3",
        "box=a,b,c,d",
        "box=9,9,1,1",
        "box=",
    ),
    *("box=nan,0,9,9", "box=inf,0,inf,9", "polygon=1,1", "polygon=1,2,3", "how=x", "rerank=maybe"),
    *(
        "format=xml",
        "format=",
        "path=/etc/passwd",
        "id=0",
        "where=1;1",
        "group=x",
        "no_such=1",
        "k=%00",
    ),
    *(
        "query_scales=,",
        "query_scales=nan",
        "alpha=nan",
        "alpha=inf",
        "mask=/etc/passwd",
        "examples=[]",
    ),
]
TYPES = [
    "text/plain",
    "multipart/form-data; boundary=x",
    "text/html",
    "application/xml",
    "",
    "x" * 999,
]
PICTURES_THAT_ARE_NONE = [
    *(
        b"",
        b"x",
        b"GIF89a",
        b"\xff\xd8\xff\xe0",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\0\0\0\0WEBP",
        b"<svg/>",
    ),
    *(
        picture()[:-40],
        bomb(60_000),
        bomb(13_000),
        picture((1, 1)),
        b"%PDF-1.4",
        b"\0" * 99_999,
        b"BM" + b"\xff" * 60,
    ),
    b"II*\0" + b"\xff" * 99,
]
HEADERS = [
    {"authorization": "Bearer " + TOKEN.upper()},
    {"authorization": TOKEN},
    {"authorization": "Bearer " + TOKEN + "\0"},
    {**BYTES, "content-length": "-1"},
    {**BYTES, "content-length": "x"},
    {**BYTES, "content-length": "9" * 99},
    {**BYTES, "content-length": str(1 << 40)},
    {**BYTES, "content-length": "\xb2"},
    {**BYTES, "origin": "http://evil.example"},
    {**BYTES, "origin": "null"},
]


def table():
    """Every request: method, target, headers, body."""
    for target in ADDRESSES:
        yield "GET", target, BEARER, b""
    for where in CONDITIONS:
        body = json.dumps({"examples": [ID], "where": where}).encode()
        yield "POST", SEARCH, JSON, body
    for example in EXAMPLES:
        yield "POST", SEARCH, JSON, json.dumps({"examples": [example]}).encode()
    for options in OPTIONS:
        yield "POST", SEARCH, JSON, json.dumps({"examples": [ID], **options}).encode()
    for body in BODIES:
        yield "POST", SEARCH, JSON, body
    for query in RAW:
        yield "POST", f"{SEARCH}?{query}", BYTES, picture()
    for kind in TYPES:
        for target in (SEARCH, EVIDENCE, "/api/uploads"):
            yield "POST", target, {**BEARER, "content-type": kind}, picture()
    for content in PICTURES_THAT_ARE_NONE:
        yield "POST", "/api/uploads", BYTES, content
        yield "POST", SEARCH, BYTES, content
    for headers in HEADERS:
        yield "POST", "/api/uploads", headers, picture()
    for body in ({}, {"id": 7}, {"id": "0"}, {"id": "0", "examples": [ID], "k": 0}, {"id": "99"}):
        yield "POST", EVIDENCE, JSON, json.dumps(body).encode()
    yield "POST", EVIDENCE, JSON, json.dumps({"id": "99", "examples": [ID]}).encode()
    yield "POST", SEARCH + "?k=3", JSON, json.dumps({"examples": [ID]}).encode()
    yield "POST", "/api/uploads", BYTES, b"\0" * ((1 << 20) + 1)
    for target in ("/api/health", "/", f"{PICTURES}/0", f"{PICTURES}/0/image", "/page/index.html"):
        yield "POST", target, BYTES, b""
    for target in (SEARCH, EVIDENCE, "/api/uploads"):
        yield "GET", target, BEARER, b""


TABLE = list(table())


def digests(folder) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def walled(served):
    """The server; behind the tests it is looked at what was opened and changed."""
    global _is_watching
    outside = served.folder / "SECRET"
    outside.write_bytes(picture())
    before = digests(served.folder)
    yield served
    _is_watching = False
    assert digests(served.folder) == before
    inside = (str(served.folder / "scenes.blcf"), str(served.folder / "frames"))
    ours = [one for one in _opened if one.startswith((str(served.folder), "/etc/passwd"))]
    assert [one for one in ours if not one.startswith(inside)] == []
    outside.unlink()


@pytest.mark.parametrize(
    "row", TABLE, ids=[f"{n} {row[0]} {row[1][:40]!a}" for n, row in enumerate(TABLE)]
)
def test_a_sentence_and_nothing_else(walled, caplog, row):
    global _is_watching
    method, target, headers, body = row
    secret = str(walled.folder / "SECRET")
    target = target.replace(SECRET, secret.replace("/", "%2f"))
    body = body.replace(SECRET.encode(), secret.encode())
    parts = [body[at : at + 65_536] for at in range(0, len(body), 65_536)] or [b""]
    _is_watching = True
    answered = ask(walled.client.app, method, target, headers, parts)
    _is_watching = False
    assert 400 <= answered.status < 500, (answered.status, answered.content[:300])
    shown = answered.content.decode("ascii")
    if target.startswith(("/api", "/page/")):
        said = answered.json
        assert list(said) == ["error"] and said["error"][-1] in ".?", said
    else:
        assert shown.startswith("<!doctype html>") and "<p>" in shown
    assert "Traceback" not in shown and len(shown) < 4_000
    assert not [one for one in caplog.records if one.exc_info]


def test_there_are_many():
    assert len(TABLE) > 350
