"""The options of a search: library, command line, JSON and OpenAPI say the same."""

from __future__ import annotations

import argparse
import re
from dataclasses import fields

import pytest
import tiles
from web_asking import BEARER, ask

from blcf import SearchOptions
from blcf.bounds import BOUNDS
from blcf.cli.parser import build_parser
from blcf.web import Hosting, Limits, create_app
from blcf.web.app import routes
from blcf.web.limits import MOST_OF_OPTIONS
from blcf.web.option_table import OPTIONS, checked_options
from blcf.web.refusals import Refusal

COMMANDS = next(
    action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction)
).choices


def test_library_command_line_and_json_have_the_same_options(served):
    """Names, defaults, choices."""
    told = {one["name"]: one for one in served.get("/api/options").json()}
    of_search = {action.dest: action for action in COMMANDS["search"]._actions}
    assert list(told) == [*(field.name for field in fields(SearchOptions)), "group"]
    for field in fields(SearchOptions):
        one, action = told[field.name], of_search[field.name]
        default = list(field.default) if isinstance(field.default, tuple) else field.default
        assert one["default"] == default
        none = [None] if field.default is None else []  # which the command line leaves out
        choices = None if action.choices is None else [*none, *action.choices]
        assert one["choices"] == choices
        assert one["says"], field.name
        bounds = BOUNDS.get(field.name)
        if bounds is not None:
            assert one["least"] == bounds.least
            assert one["most"] == MOST_OF_OPTIONS.get(field.name, bounds.most)
    assert told["group"]["choices"] == [None, *of_search["group"].choices]
    assert SearchOptions() == checked_options({}, 384, 1)
    given = {name: one["default"] for name, one in told.items() if name != "group"}
    read = checked_options(given, 384, 1)
    assert {**vars(read), "shares": (), "query_scales": ()} == {
        **vars(SearchOptions()),
        **{"shares": (), "query_scales": ()},
    }


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("k", "7", 7),
        ("rerank", "false", False),
        ("rerank", "1", True),
        ("query_scales", "1,.5", [1.0, 0.5]),
        ("shares", "1,2,4", [1, 2, 4]),
        ("alpha", "2", 2.0),
        ("where", "camera = 'A'", "camera = 'A'"),
    ],
)
def test_options_in_an_address(name, text, value):
    read = OPTIONS[name].read(text)
    assert read == value and type(read) is type(value)


@pytest.mark.parametrize(
    ("name", "text"), [("k", "1.5"), ("rerank", "yes"), ("alpha", ""), ("shares", "1,a")]
)
def test_texts_that_are_no_options(name, text):
    with pytest.raises(Refusal, match=f"Expected {name} in the address"):
        OPTIONS[name].read(text)


def test_openapi_has_all_addresses(served):
    about = served.get("/api").json()
    assert about["openapi"] == "3.1.0"
    declared = {
        (path, method.upper())
        for path, methods in about["paths"].items()
        for method in methods
        if method in ("get", "post")
    }
    there = {
        (route.path, method)
        for route in routes(served.hosting)
        for method in route.methods - {"HEAD"}
        if route.path.startswith("/api")
    }
    assert declared == there
    for path, methods in about["paths"].items():
        named = [one["name"] for one in methods.get("parameters", ())]
        assert named == re.findall(r"{(\w+)}", path)


def test_openapi_has_all_options(served):
    properties = served.get("/api").json()["components"]["schemas"]["Search"]["properties"]
    assert list(properties) == ["examples", "negatives", *OPTIONS]
    for name, option in OPTIONS.items():
        assert properties[name]["default"] == option.default


def test_what_comes_is_of_the_form_that_is_declared(served):
    jsonschema = pytest.importorskip("jsonschema")
    about = served.get("/api").json()
    picture = served.pictures[3]["id"]
    body = {"examples": [{"id": picture, "box": [0, 0, 64, 64]}], "group": "near", "k": 3}
    one = {"collection": "scenes", "picture": picture}
    content = served.path(3).read_bytes()
    upload = served.post("/api/uploads", content=content).json()
    answers = {
        ("/api/uploads", "post"): upload,
        ("/api/collections/{collection}/search", "post"): served.search(body).json(),
        ("/api/collections/{collection}/evidence", "post"): served.post(
            "/api/collections/scenes/evidence", json={**body, "id": picture}
        ).json(),
    }
    n_checked = 0
    for path, methods in about["paths"].items():
        for method in {"get", "post"} & set(methods):
            content = methods[method]["responses"]["200"]["content"]
            if "application/json" not in content:
                continue
            answer = answers.get((path, method))
            if answer is None:
                answer = served.get(path.format(**one)).json()
            schema = {**content["application/json"]["schema"], "components": about["components"]}
            jsonschema.Draft202012Validator(schema).validate(answer)
            n_checked += 1
    assert n_checked == 9
    search = {"$ref": "#/components/schemas/Search", "components": about["components"]}
    jsonschema.Draft202012Validator(search).validate(body)


def test_limits_are_those_that_openapi_says(scenes_collection):
    hosting = Hosting([tiles.reopen(scenes_collection / "scenes.blcf")], Limits(examples=3, page=7))
    app = create_app(hosting, "a token of the tests", port=8765, load=False)
    about = ask(app, "GET", "/api", BEARER).json
    assert about["components"]["schemas"]["Search"]["properties"]["examples"]["maxItems"] == 3
    browse = about["paths"]["/api/collections/{collection}/pictures"]["get"]["parameters"]
    assert {one["name"]: one["schema"] for one in browse}["limit"]["maximum"] == 7
