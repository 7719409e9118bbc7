"""Results of several networks in one file."""

from __future__ import annotations

import json

import pytest

from benchmarks import report


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Of the results that are kept under the name "some"."""
    (tmp_path / "results").mkdir()
    monkeypatch.setattr(report, "HERE", tmp_path)
    return report.results_path("some")


def _results(day: str, network: str, value: int) -> dict:
    row = {"network": network, "set": "s", "value": value}
    return {"date": day, "machine": "m", "sets": [row], "note": "n"}


def test_rows_of_other_networks_stay(path):
    report.keep_rows("some", _results("Monday", "x", 1), ["x"])
    report.keep_rows("some", _results("Tuesday", "y", 2), ["y"])
    again = _results("Friday", "y", 3)
    report.keep_rows("some", again, ["y"])
    found = json.loads(path.read_text())
    assert [(row["network"], row["value"]) for row in found["sets"]] == [("y", 3), ("x", 1)]
    assert found["made"] == {"x": "Monday, m", "y": "Friday, m"}
    assert found == again, "what is written to the README is what was kept"


def test_rows_of_other_sets_stay(path):
    report.keep_rows("some", _results("Monday", "x", 1), ["x"])
    other = _results("Friday", "x", 2)
    other["sets"][0]["set"] = "t"
    report.keep_rows("some", other, ["x"])
    assert [row["value"] for row in json.loads(path.read_text())["sets"]] == [2, 1]


def test_results_have_a_line_for_a_configuration(path):
    rows = [{"network": "x" * 60, "figures": [1 / 3] * 9} for _ in range(3)]
    results = {"date": "Monday", "rows": rows, "none": [], "words": {"of": {"all": rows}}}
    report.keep_results("some", results)
    assert report.read_results("some") == results
    lines = path.read_text().splitlines()
    assert sum('"network"' in line for line in lines) == 6
    assert max(map(len, lines)) <= report.WIDTH


def test_a_section_is_replaced_and_the_text_around_it_stays(path, tmp_path):
    report.write_section("question", "First", "one")
    page = tmp_path / "question.md"
    assert page.read_text().startswith("# First\n\n<!-- First: written by a script -->\n\none\n")
    page.write_text(page.read_text() + "\nBy hand.\n")
    report.write_section("question", "Second", "two")
    report.write_section("question", "First", "three")
    text = page.read_text()
    assert "one" not in text and text.index("three") < text.index("By hand.") < text.index("two")
    assert "\n## Second\n" in text
    (tmp_path / "folder").mkdir()
    report.write_section("folder", "First", "one")
    assert (tmp_path / "folder" / "README.md").exists()
