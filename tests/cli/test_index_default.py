"""`blcf index` where nothing is named: the network of the package, said first."""

from __future__ import annotations


def test_the_first_line_names_the_network(place, call, tmp_path):
    generic = ["--vocabulary", "generic"]
    status, out, err = call("index", tmp_path / "c.blcf", place / "frames", *generic)
    assert status == 0 and out.startswith("12 pictures")
    assert err.splitlines()[0] == (
        "blcf: network blcf-lite, which the package carries (none was named; the paper's is "
        "--network vgg16)"
    )
    assert '"vocabulary": "generic"' in call("info", tmp_path / "c.blcf", "--json")[1]
    status, out, err = call(
        "index", tmp_path / "d.blcf", place / "frames", "--vocabulary", "own", "--words", "9",
        "--quiet",
    )  # fmt: skip
    assert status == 0 and "blcf-lite" not in err
    assert '"vocabulary": "own"' in call("info", tmp_path / "d.blcf", "--json")[1]
