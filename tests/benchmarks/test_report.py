"""Results of several networks in one file."""

from __future__ import annotations

import json

from report import write_results


def _results(day: str, network: str, value: int) -> dict:
    row = {"network": network, "set": "s", "value": value}
    return {"date": day, "machine": "m", "sets": [row], "note": "n"}


def test_rows_of_other_networks_stay(tmp_path):
    path = tmp_path / "results.json"
    write_results(path, _results("Monday", "x", 1), ["x"])
    write_results(path, _results("Tuesday", "y", 2), ["y"])
    again = _results("Friday", "y", 3)
    write_results(path, again, ["y"])
    found = json.loads(path.read_text())
    assert [(row["network"], row["value"]) for row in found["sets"]] == [("y", 3), ("x", 1)]
    assert found["made"] == {"x": "Monday, m", "y": "Friday, m"}
    assert found == again, "what is written to the README is what was kept"


def test_rows_of_other_sets_stay(tmp_path):
    path = tmp_path / "results.json"
    write_results(path, _results("Monday", "x", 1), ["x"])
    other = _results("Friday", "x", 2)
    other["sets"][0]["set"] = "t"
    write_results(path, other, ["x"])
    assert [row["value"] for row in json.loads(path.read_text())["sets"]] == [2, 1]
