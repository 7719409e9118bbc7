"""What `/api` says of all addresses: OpenAPI 3.1, made of the tables that requests are held to."""

from __future__ import annotations

from typing import Any

from blcf import __version__
from blcf.bags import HOWS
from blcf.bounds import BOUNDS
from blcf.web.limits import THUMBNAIL_SIDES, Limits
from blcf.web.option_table import OPTIONS, Option
from blcf.web.schemas import SCHEMAS

__all__ = ["describe"]

_JSON, _JPEG = "application/json", "image/jpeg"
_REFUSALS = {
    "400": "it cannot be read",
    "401": "the token is missing",
    "403": "it comes from another page",
    "404": "there is no such thing (any more)",
    "405": "another method is expected",
    "408": "the body did not come in time",
    "413": "the body is too long",
    "415": "the body is of another kind",
    "416": "that part is not in the film",
    "421": "the Host is another one",
    "422": "it is understood, and cannot be done",
    "500": "a fault of the server's own",
    "503": "too much is under way, or it is being loaded; see Retry-After",
}


def describe(limits: Limits) -> dict[str, Any]:
    """The description of a server with some limits, as plain values."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "blcf",
            "version": __version__,
            "summary": "Find a particular object in collections of pictures, and where it is.",
            "description": "Every request has Authorization: Bearer TOKEN, or the cookie of the "
            "page. Boxes are x1, y1, x2, y2 in pixels of the picture, the right way up. An error "
            'is {"error": "what was expected, what came, what to do"}.',
        },
        "security": [{"token": []}],
        "paths": {path: _path(path, methods, limits) for path, methods in _paths().items()},
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {**SCHEMAS, "Example": _example(limits), "Search": _search(limits)},
            "responses": {
                "Refused": {
                    "description": "; ".join(f"{key}: {why}" for key, why in _REFUSALS.items()),
                    "content": {_JSON: {"schema": _ref("Error")}},
                }
            },
        },
    }


def _paths() -> dict[str, dict[str, dict[str, Any]]]:
    """Of each address and method what it does, takes and gives."""
    collection = "/api/collections/{collection}"
    picture = collection + "/pictures/{picture}"
    body = {"content": {_JSON: {"schema": _ref("Search")}, **_raw()}, "required": True}
    why = {"allOf": [_ref("Search"), {"required": ["id"], "properties": {"id": _text("a hit")}}]}
    return {
        "/api": {"get": _does("This description", _given({"type": "object"}))},
        "/api/health": {"get": _does("Whether it is ready", _given(_ref("Health")))},
        "/api/options": {
            "get": _does("The options of a search, with defaults and bounds", _rows("Option"))
        },
        "/api/uploads": {
            "post": {
                **_does("Send a picture to search with", _given(_ref("Upload"))),
                "requestBody": {"content": _raw(), "required": True},
            }
        },
        "/api/uploads/{upload}": {"get": _does("A picture that was sent", _jpeg())},
        "/api/collections": {"get": _does("The collections", _rows("Collection"))},
        f"{collection}/pictures": {
            "get": {
                **_does("A page of pictures, in the order of names", _given(_ref("Page"))),
                "parameters": [
                    _asked("folder", _text("pictures below it")),
                    _asked("film", _text("frames of it")),
                    _asked("where", _text("a condition over facts, in the SQL of SQLite")),
                    _asked("after", _text("next of the page before")),
                    _asked("limit", {"type": "integer", "minimum": 1, "default": 60}),
                ],
            }
        },
        picture: {"get": _does("A picture, its facts and neighbours", _given(_ref("Described")))},
        f"{picture}/thumbnail": {
            "get": {
                **_does("It made small", _jpeg()),
                "parameters": [_asked("side", {"enum": list(THUMBNAIL_SIDES), "default": 320})],
            }
        },
        f"{picture}/image": {"get": _does("The whole picture", _jpeg())},
        f"{picture}/film": {
            "get": _does("The film of a frame; with Range a part of it", {"video/*": {}})
        },
        f"{collection}/search": {
            "post": {
                **_does("Pictures that show the object", _found()),
                "requestBody": body,
                "parameters": _search_parameters(),
            }
        },
        f"{collection}/evidence": {
            "post": {
                **_does("Why a hit of a search was found", _given(_ref("Evidence"))),
                "requestBody": {"content": {_JSON: {"schema": why}}, "required": True},
            }
        },
    }


def _path(path: str, methods: dict[str, dict[str, Any]], limits: Limits) -> dict[str, Any]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    inside = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in names
    ]
    for method in methods.values():
        for one in method.get("parameters", ()):
            if one["name"] == "limit":
                one["schema"]["maximum"] = limits.page
    return {**methods, **({"parameters": inside} if inside else {})}


def _does(summary: str, content: dict[str, Any]) -> dict[str, Any]:
    done = {"description": summary, "content": content}
    return {
        "summary": summary,
        "responses": {"200": done, "default": {"$ref": "#/components/responses/Refused"}},
    }


def _given(schema: dict[str, Any]) -> dict[str, Any]:
    return {_JSON: {"schema": schema}}


def _rows(name: str) -> dict[str, Any]:
    return _given({"type": "array", "items": _ref(name)})


def _found() -> dict[str, Any]:
    return {**_given(_ref("Found")), "text/csv": {}}


def _jpeg() -> dict[str, Any]:
    return {_JPEG: {}}


def _raw() -> dict[str, Any]:
    return {"image/*": {}, "application/octet-stream": {}}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _text(says: str) -> dict[str, Any]:
    return {"type": "string", "description": says}


def _asked(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema}


def _schema(option: Option) -> dict[str, Any]:
    """The schema of an option."""
    one: dict[str, Any] = {"type": option.type}
    bounds = BOUNDS.get(option.name)
    if bounds is not None:
        one = {"type": "integer" if bounds.whole else "number"}
        one["exclusiveMinimum" if bounds.above else "minimum"] = option.least
        one["maximum"] = option.most
        if bounds.row is not None:
            one = {"type": "array", "items": one, "minItems": 1, "maxItems": bounds.row}
    if option.choices is not None:
        one = {"enum": option.choices}
    elif option.default is None:
        one["type"] = [one["type"], "null"]
    return {**one, "default": option.default, "description": option.says}


def _search(limits: Limits) -> dict[str, Any]:
    examples = {"type": "array", "items": _ref("Example"), "maxItems": limits.examples}
    return {
        "type": "object",
        "required": ["examples"],
        "properties": {
            "examples": {**examples, "minItems": 1, "description": "pictures of the object"},
            "negatives": {**examples, "description": "pictures of what is not meant"},
            **{name: _schema(option) for name, option in OPTIONS.items()},
        },
    }


def _search_parameters() -> list[dict[str, Any]]:
    """What stands in the address beside a body that is a picture."""
    said = ", as in JSON; where the body is a picture"
    return [
        _asked("format", {"enum": ["json", "csv"], "default": "json"}),
        _asked("box", _text(f"x1,y1,x2,y2{said}")),
        _asked("polygon", _text(f"x1,y1,x2,y2,x3,y3,...{said}")),
        _asked("how", {"enum": list(HOWS), "default": "hard"}),
        *(_asked(name, _text(f"{name}{said}")) for name in OPTIONS),
    ]


def _example(limits: Limits) -> dict[str, Any]:
    corner = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    return {
        "type": "object",
        "description": "one of id, upload and image, and at most one of box, polygon and mask",
        "additionalProperties": False,
        "properties": {
            "id": _text("of a picture of the collection; no network is needed"),
            "upload": _text("of a picture that was sent"),
            "image": _text("a picture file in base64"),
            "box": SCHEMAS["Box"],
            "polygon": {"type": "array", "items": corner, "maxItems": limits.corners},
            "mask": _text("a picture of the same size, white on the object, in base64"),
            "how": {"enum": list(HOWS), "default": "hard"},
        },
    }
