"""conditions.toml: every row of the published tables, and a reader that refuses mistakes."""

from __future__ import annotations

import pytest

from benchmarks.accuracy import PAPER_SEARCH
from benchmarks.reproduce.conditions import TRAINED, read_conditions
from blcf import descriptors
from blcf.collection import Settings
from blcf.errors import FormatError
from blcf.searching import SearchOptions

# As published, written down once more: (table, row) to the figures in the order of the columns.
PUBLISHED = {
    "icmr-1": {
        "GS": ".653 .699",
        "GS + R": ".701 .719",
        "GS + GQE": ".702 .774",
        "GS + R + GQE": ".771 .801",
        "GS + R + LQE": ".782 .835",
        "LS": ".738 .820",
        "LS + R": ".734 .815",
        "LS + GQE": ".773 .814",
        "LS + R + GQE": ".769 .807",
        "LS + R + LQE": ".788 .848",
    },
    "icmr-2": {
        "Ng et al. (VLAD)": ".649 - .694 -",
        "Razavian et al.": ".844 - .853 -",
        "SPoC": ".657 .642 - -",
        "R-MAC": ".668 .616 .830 .757",
        "CroW": ".682 .632 .796 .710",
        "uCroW": ".666 .629 .767 .695",
        "GS": ".652 .510 .698 .421",
        "LS": ".739 .593 .820 .648",
        "CroW + GQE": ".722 .678 .855 .797",
        "R-MAC + R + GQE": ".770 .726 .877 .817",
        "LS + GQE": ".773 .602 .814 .632",
        "LS + R + LQE": ".788 .651 .848 .641",
    },
    "icmr-3": {
        "BoW GS": ".650 .698 .323",
        "BoW LS": ".739 .819 .295",
        "sum pooling, as ours, GS": ".606 .712 .156",
        "sum pooling, as ours, LS": ".583 .742 .097",
        "sum pooling, as in CroW, GS": ".672 .774 .139",
        "sum pooling, as in CroW, LS": ".683 .763 .120",
    },
    "dir-1": {
        "R-MAC (Tolias et al.)": ".669 .830",
        "R-MAC, whitened on the other set": ".661 .825",
        "R-MAC, whitened on Landmarks": ".647 .816",
        "learned R-MAC, classification, full set": ".753 .822",
        "learned R-MAC, classification, clean set": ".759 .837",
        "learned R-MAC, ranking, clean set": ".786 .845",
    },
    "dir-3": {
        "Jegou & Zisserman, 1024": ".560 - .502 - .720",
        "Jegou & Zisserman, 128": ".433 - .353 - .617",
        "Babenko et al. (codes), 128": ".557 - .523 - .789",
        "Gong et al., 2048": "- - - - .808",
        "Razavian et al., 256": ".533 .670 .489 - .742",
        "SPoC, 256": ".531 - .501 - .802",
        "Ng et al., 128": ".593 .590 - - .836",
        "Paulin et al., 256K": ".565 - - - .793",
        "Perronnin & Larlus, 4000": "- - - - .847",
        "R-MAC, 512": ".669 .830 .616 .757 .846",
        "CroW, 512": ".682 .797 .633 .710 .849",
        "Deep Image Retrieval, 512": ".813 .855 .768 .785 .860",
    },
    "ilias": {
        "AlexNet": ".019 .013",
        "VGG16": ".023 .016",
        "ResNet50": ".025 .018",
        "ResNet101": ".027 .018",
        "BLCF LS": "- -",
        "BLCF LS + R + LQE": "- -",
    },
    "gldv2": {
        "smlyaka": ".371 .356",
        "ods.ai": ".298 .278",
        "JL": ".250 .227",
        "BLCF GS": "- -",
        "BLCF GS + R + LQE": "- -",
    },
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_row_is_there(name):
    conditions = read_conditions()
    columns = conditions.tables[name].sets
    found = {
        row.row: " ".join(
            f"{row.published[one]:.3f}".lstrip("0") if one in row.published else "-"
            for one in columns
        )
        for row in conditions.rows
        if row.table == name
    }
    assert found == PUBLISHED[name]


def test_the_search_of_the_paper_is_that_of_the_accuracy_table():
    """Whatever the engine's defaults become, what the paper does not do is off in both."""

    def options(search):
        lists = {name: tuple(one) for name, one in search.items() if isinstance(one, list)}
        return SearchOptions(**{**search, **lists})

    ours = options({**PAPER_SEARCH, "expand": "none"})
    assert options(read_conditions().systems["blcf"].search) == ours


def test_every_system_can_be_made():
    conditions = read_conditions()
    assert {row.table for row in conditions.rows} == conditions.tables.keys()
    for system in conditions.systems.values():
        for name in (*conditions.sets, "of my own"):
            one = system.on_set(name, conditions.sets)
            if one.kind == "blcf":
                Settings(**{**one.settings, "n_components": None})
                SearchOptions.from_keywords(one.search)
            if one.kind == "descriptor" and one.name != TRAINED:
                getattr(descriptors, one.descriptor)(**one.options)
    for layers in conditions.networks.values():
        assert "others" in layers


def test_a_system_changes_with_the_data_set():
    conditions = read_conditions()
    blcf = conditions.systems["blcf"]
    oxford, ins, other = (
        blcf.on_set(name, conditions.sets) for name in ("oxford5k", "ins23k", "mine")
    )
    assert (oxford.side, ins.side) == (336, 384)
    assert (oxford.settings["weighting"], ins.settings["weighting"]) == ("linear", "uniform")
    assert ins.settings["n_words"] == 25_000 and other.settings["n_words"] == "auto"
    stand_in = blcf.with_network("mobilenet_v2", conditions.networks["mobilenet_v2"])
    assert (stand_in.network, stand_in.layer) == ("mobilenet_v2", "features.14.conv.0")


GOOD = """
[tables.t]
title = "T"
sets = ["oxford5k"]
tolerance = 0.01
[systems.s]
kind = "descriptor"
network = "vgg16"
layer = "pool5"
[[rows]]
table = "t"
row = "r"
system = "s"
published = { oxford5k = 0.5 }
"""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[tables.t]", "[tables.t"), "to be TOML"),
        (('title = "T"', 'titel = "T"'), "tables.t: unknown key 'titel'"),
        (('title = "T"', ""), "tables.t: .*title"),
        (('kind = "descriptor"', 'kind = "other"'), "systems.s: expected a kind of blcf"),
        (('table = "t"', 'table = "u"'), r"row 1 \(r\): there is no table 'u'"),
        (('system = "s"', 'system = "z"'), "there is no system 'z'"),
        (('system = "s"', ""), "expected a system, or because"),
        (('system = "s"', 'system = "s"\nqueries = "XS"'), "queries of GS, LS, crop, got 'XS'"),
        (("oxford5k = 0.5", "paris6k = 0.5"), "no column 'paris6k'"),
        (("oxford5k = 0.5", "oxford5k = 50"), "or a bad figure"),
    ],
)
def test_mistakes(tmp_path, change, message):
    path = tmp_path / "c.toml"
    path.write_text(GOOD)
    assert read_conditions(path).rows[0].published == {"oxford5k": 0.5}
    assert change[0] in GOOD
    path.write_text(GOOD.replace(*change))
    with pytest.raises(FormatError, match=message):
        read_conditions(path)
