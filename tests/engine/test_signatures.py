"""The options stand in the signatures, with the names, the kinds and the defaults of their classes.

What an editor shows comes from the signatures, what is checked and documented from the classes.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import fields

import pytest

import blcf
from blcf import SearchEngine, SearchOptions, Settings

SEARCHES = (SearchEngine.search, SearchEngine.search_many, SearchEngine.evaluate)


@pytest.mark.parametrize(
    ("kind", "function"),
    [*((SearchOptions, one) for one in SEARCHES), (Settings, SearchEngine.create)],
    ids=lambda one: one.__name__,
)
def test_an_option_is_a_parameter(kind, function):
    parameters = inspect.signature(function).parameters
    assert not [one for one in parameters.values() if one.kind is one.VAR_KEYWORD]
    for field in fields(kind):
        parameter = parameters[field.name]
        assert parameter.default == field.default, field.name
        assert type(parameter.default) is type(field.default), field.name
        if field.name not in ("network", "weights"):  # a module or a path is taken here, too
            assert parameter.annotation == field.type, field.name
            assert parameter.kind is parameter.KEYWORD_ONLY, field.name


@pytest.mark.parametrize("kind", [SearchOptions, Settings])
def test_every_option_is_explained_once(kind):
    text = inspect.getdoc(kind)
    for field in fields(kind):
        entry = rf"^(?:\w+, )*{field.name}(?:, \w+)* : "
        assert len(re.findall(entry, text, re.M)) == 1, field.name


@pytest.mark.parametrize("name", [name for name in blcf.__all__ if name != "__version__"])
def test_public_signatures_are_typed(name):
    """What a type checker of a caller sees; it takes what has no type for anything."""
    for method, function in inspect.getmembers(getattr(blcf, name), inspect.isroutine):
        own = getattr(function, "__module__", "") or ""
        if not own.startswith("blcf.") or (method.startswith("_") and method != "__getitem__"):
            continue
        signature = inspect.signature(function)
        untyped = [one.name for one in signature.parameters.values() if one.annotation is one.empty]
        assert [one for one in untyped if one not in ("self", "cls")] == [], method
        assert signature.return_annotation is not signature.empty, method


def test_the_options_of_a_call_are_those_that_it_gave(planted):
    """Each of them: a parameter that is forgotten on the way would be the default."""
    engine, seen = planted.engine(), []

    def find(searcher, asked, options, negatives=()):
        seen.append(options)

    given = {field.name: other(field.default) for field in fields(SearchOptions)}
    given |= {"windows": "grid", "query_side": 64, "approximate": 0.5, "expand": "local"}
    given |= {"fusion": "max", "negatives_by": "svm", "expand_by": "svm", "guard": "none"}
    given |= {"where": "width > 0", "refine": "keypoints", "scales_by": "alike"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("blcf.engine.searches.Hits.find", find)
        engine.search(frame="00.png", **given)
        engine.search_many([planted.path(0)], progress=False, **given)
    expected = SearchOptions(**given)
    assert seen == [expected, expected]
    assert all(getattr(expected, name) != getattr(SearchOptions(), name) for name in given)


def other(default):
    """Another value than a default that is a truth value or numbers."""
    if isinstance(default, bool):
        return not default
    if isinstance(default, (int, float)):
        return default + 1
    return (1,) if isinstance(default, tuple) else default
