"""The forms of what the server gives, as JSON schemas."""

from __future__ import annotations

from typing import Any

__all__ = ["SCHEMAS"]


def _object(required: dict[str, Any], more: dict[str, Any] | None = None) -> dict[str, Any]:
    """An object with all of these."""
    properties = {**required, **(more or {})}
    return {"type": "object", "required": list(required), "properties": properties}


def _rows(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _or_null(kind: str) -> dict[str, Any]:
    return {"type": [kind, "null"]}


_TEXT, _INTEGER, _NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
_BOX = {"type": "array", "items": _NUMBER, "minItems": 4, "maxItems": 4}
_BOX_OR_NULL = {**_BOX, "type": ["array", "null"]}
_HEAT = _object({"rows": _INTEGER, "columns": _INTEGER, "values": _rows(_NUMBER)})
_PICTURE = {
    "id": {"type": "string", "description": "the same as long as the picture is unchanged"},
    "name": _TEXT,
    "width": _INTEGER,
    "height": _INTEGER,
    "film": _or_null("string"),
    "time": {**_or_null("number"), "description": "s"},
    "shot": _or_null("integer"),
}
_HIT = {
    **_PICTURE,
    "rank": _INTEGER,
    "score": _NUMBER,
    "confidence": {**_or_null("number"), "description": "the chance that it shows the object"},
    "box": _BOX_OR_NULL,
    "boxes": _rows(_BOX),
    "outline": {
        **_rows({**_BOX, "minItems": 2, "maxItems": 2}),
        "type": ["array", "null"],
        "description": "corners of the query's box, by keypoints: x and y, pixels",
    },
    "reranked": {"type": "boolean"},
    "path": _or_null("string"),
}
_REF = "#/components/schemas/"
_PICTURES, _HITS = _rows({"$ref": f"{_REF}Picture"}), _rows({"$ref": f"{_REF}Hit"})

SCHEMAS: dict[str, Any] = {
    "Error": _object({"error": _TEXT}),
    "Box": {**_BOX, "description": "x1, y1, x2, y2, pixels"},
    "Picture": _object(_PICTURE),
    "Hit": _object(_HIT),
    "Moment": _object(
        {
            "rank": _INTEGER,
            "score": _NUMBER,
            "hit": {"$ref": f"{_REF}Hit"},
            "first": _or_null("number"),
            "last": _or_null("number"),
            "span": _TEXT,
            "shot": _or_null("integer"),
            "n": {"type": "integer", "description": "hits in it"},
            "hits": _HITS,
        }
    ),
    "Found": _object(
        {
            "hits": _HITS,
            "moments": {"type": ["array", "null"], "items": {"$ref": f"{_REF}Moment"}},
            "seconds": _NUMBER,
            "generation": _INTEGER,
            "searched": {"type": "integer", "description": "pictures that were searched"},
            "missing_shards": {
                "type": "array",
                "items": {"type": "string"},
                "description": "shards that did not answer, and were done without",
            },
        }
    ),
    "Evidence": _object(
        {
            "score": _NUMBER,
            "query": _rows(_object({"width": _INTEGER, "height": _INTEGER, "heat": _HEAT})),
            "picture": _object({"heat": _HEAT}),
            "matches": _rows(
                _object(
                    {
                        "word": _INTEGER,
                        "share": {"type": "number", "description": "of the score"},
                        "query": {"type": "integer", "description": "which picture, 0 the first"},
                        "query_box": _BOX,
                        "box": _BOX,
                    }
                )
            ),
            "box": _BOX_OR_NULL,
            "says": {"type": "string", "description": "shares of the score, in words"},
        }
    ),
    "Page": _object(
        {
            "folders": _rows(_object({"name": _TEXT, "pictures": _INTEGER})),
            "films": _rows(
                _object({"film": _TEXT, "frames": _INTEGER, "first": _NUMBER, "last": _NUMBER})
            ),
            "pictures": _PICTURES,
            "next": _or_null("string"),
            "total": _INTEGER,
        }
    ),
    "Described": _object(
        {**_PICTURE, "facts": {"type": "object"}, "before": _PICTURES, "after": _PICTURES}
    ),
    "Upload": _object({"upload": _TEXT, "width": _INTEGER, "height": _INTEGER}),
    "Collection": _object(
        {
            "collection": _TEXT,
            "pictures": _INTEGER,
            "network": _TEXT,
            "layer": _TEXT,
            "side": _INTEGER,
            "columns": _rows(_object({"name": _TEXT, "type": _TEXT})),
            "films": _INTEGER,
            "generation": _INTEGER,
        }
    ),
    "Health": _object(
        {
            "status": {"enum": ["loading", "ready", "failed"]},
            "stage": _TEXT,
            "done": {"type": "number", "minimum": 0, "maximum": 1},
            "version": _TEXT,
            "collections": _rows(
                _object({"collection": _TEXT, "status": _TEXT, "reason": _or_null("string")})
            ),
        }
    ),
    "Option": _object(
        {
            "name": _TEXT,
            "type": {"enum": ["boolean", "integer", "number", "string", "numbers"]},
            "default": {},
            "choices": {"type": ["array", "null"]},
            "least": _or_null("number"),
            "most": _or_null("number"),
            "says": _TEXT,
        }
    ),
}
"""By name, below ``#/components/schemas``."""
