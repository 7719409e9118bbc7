"""Every option of the library is one of the command line, by its name and with its default."""

from __future__ import annotations

import argparse
from dataclasses import fields

import pytest

from blcf import SearchOptions, Settings
from blcf.cli.parser import build_parser

UNSET = {
    "query_side": "the collection's",
    "approximate": "exact",
    "where": "all pictures",
    "refine": "off",
}


def commands():
    parser = build_parser()
    return next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction)).choices


def test_no_option_has_a_default_of_its_own():
    known = {field.name for kind in (Settings, SearchOptions) for field in fields(kind)}
    for name in ("index", "search", "evaluate"):
        for action in commands()[name]._actions:
            if action.dest in known:
                assert action.default is argparse.SUPPRESS, action.dest
    named = {action.dest for action in commands()["index"]._actions}
    assert {field.name for field in fields(Settings)} <= named


@pytest.mark.parametrize("command", ["search", "evaluate"])
@pytest.mark.parametrize("field", fields(SearchOptions), ids=lambda field: field.name)
def test_every_field_is_an_option_that_shows_its_default(command, field):
    if (command, field.name) == ("evaluate", "k"):
        return  # the whole ranking counts
    flag = "-k" if field.name == "k" else "--" + field.name.replace("_", "-")
    action = commands()[command]._option_string_actions[flag]
    default = field.default
    if isinstance(default, bool):
        shown = "on" if default else "off"
        assert f"--no-{flag[2:]}" in action.option_strings
    elif isinstance(default, tuple):
        shown = ",".join(f"{value:g}" for value in default)
    else:
        shown = str(default) if default is not None else UNSET[field.name]
    assert action.dest == field.name and action.help.endswith(f" (default: {shown})")


def test_the_defaults_written_out_are_those_of_the_library():
    """What the help shows can be given, and is read as the library's value."""
    default = SearchOptions()
    arguments = []
    for field in fields(SearchOptions):
        value = getattr(default, field.name)
        flag = field.name.replace("_", "-")
        if isinstance(value, bool):
            arguments.append(f"--{flag}" if value else f"--no-{flag}")
        elif isinstance(value, tuple):
            arguments += [f"--{flag}", ",".join(map(str, value))]
        elif value is not None:
            arguments += [f"-{flag}" if flag == "k" else f"--{flag}", str(value)]
    read = vars(build_parser().parse_args(["search", "c.blcf", "q.png", *arguments]))
    for field in fields(SearchOptions):
        assert read.get(field.name) == getattr(default, field.name), field.name


@pytest.mark.parametrize("command", ["search", "evaluate"])
def test_help_is_in_groups(command):
    text = commands()[command].format_help()
    titles = ["options:", "query:", "reranking:", "expansion:", "speed:"]
    places = [text.find(f"\n{title}\n") for title in titles]
    assert -1 not in places and places == sorted(places)
