"""The pages of benchmarks/: what they name exists, and their tables are those of the results."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest
from test_scripts import SCRIPTS

from benchmarks import report
from benchmarks.reproduce.conditions import read_conditions
from benchmarks.reproduce.report import markdown as published_tables

HERE = report.HERE
ROOT = HERE.parent
FRONT = HERE / "README.md"
PAGES = sorted({*HERE.glob("*.md"), *HERE.glob("*/*.md")})
CODE = [*HERE.rglob("*.py"), *(ROOT / "blcf").rglob("*.py"), ROOT / "README.md", *PAGES]

# Where the section of a question is made, and its title.
SECTIONS = {
    "accuracy": ("accuracy", "Accuracy"),
    "ablations": ("ablations.__main__", "Ablations"),
    "assignment": ("assignment", "Assignment"),
    "confidence": ("confidence", "Confidence"),
    "convolution": ("convolution", "Convolution"),
    "dense_search": ("dense_search", "Dense search"),
    "descriptors": ("descriptors", "Global descriptors"),
    "expansion": ("expansion", "Expansion"),
    "extraction": ("extraction", "Extraction"),
    "footage": ("footage.__main__", "Footage"),
    "generic_vocabulary": ("generic_vocabulary", "Generic vocabulary"),
    "growth": ("growth", "Growth"),
    "indexing": ("indexing", "Indexing"),
    "kmeans": ("kmeans", "k-means"),
    "large_vocabulary": ("large_vocabulary.tables", "Large vocabularies"),
    "latency": ("latency", "Latency"),
    "learning_bag": ("learning.bag", "The bag of words"),
    "learning_dir": ("learning.dir_tables", "Deep Image Retrieval"),
    "local_search": ("local_search.tables", "Local search"),
    "localisation": ("localisation", "Localisation"),
    "neighbours": ("neighbours", "Neighbours"),
    "one_search": ("one_search", "One search"),
    "qdrant": ("qdrant", "Qdrant"),
    "refinement": ("refinement.__main__", "Refinement"),
    "scale": ("scale", "Scale"),
    "query_scales": ("query_scales", "Sizes of the query"),
    "search": ("search.tables", "Search"),
    "search_filters": ("search.filters", "Some pictures only"),
    "serving": ("serving.__main__", "Serving"),
    "several": ("several", "Several networks"),
    "small_objects": ("small_objects", "Small objects"),
}
# Sections of a page that has several.
PAGE_OF = {"learning_bag": "learning", "learning_dir": "learning", "search_filters": "search"}
# Of descriptors four digits were kept, and the page was written from all of them.
ROUNDED = {"descriptors": 0.0011}


def section(page: Path, title: str) -> str:
    """What a script has written into a page."""
    text = page.read_text("utf-8")
    first, last = f"<!-- {title}: written by a script -->\n\n", f"\n\n<!-- end of {title} -->"
    assert text.count(first) == text.count(last) == 1
    return text.split(first)[1].split(last)[0]


@pytest.mark.parametrize("question", SECTIONS)
def test_tables_are_those_of_the_results(question):
    module, title = SECTIONS[question]
    results = json.loads(report.results_path(question).read_text("utf-8"))
    assert {"command", "date", "machine"} <= results.keys()
    made = importlib.import_module(f"benchmarks.{module}").markdown(results)
    shown = section(report.page_path(PAGE_OF.get(question, question)), title)
    if question in ROUNDED:
        figures = r"\b0\.\d{3}\b"
        pairs = zip(re.findall(figures, shown), re.findall(figures, made))
        assert all(abs(float(one) - float(two)) < ROUNDED[question] for one, two in pairs)
        shown, made = re.sub(figures, "", shown), re.sub(figures, "", made)
    assert shown == made


def test_published_tables_are_those_of_the_results():
    made = published_tables(read_conditions(), "squeezenet1_1")
    assert section(report.page_path("reproduce"), "Published tables, squeezenet1_1") == made


def test_every_question_has_a_page_and_the_front_page_shows_it():
    questions = {name.split(".")[0] for name in SCRIPTS} - {"picture"}
    pages = {report.page_path(question) for question in questions}
    assert pages == set(PAGES) - {FRONT}
    links = re.findall(r"\]\(([^)#]+)\)", FRONT.read_text("utf-8"))
    assert {(HERE / link).resolve() for link in links} == pages | {HERE / "results"}


def test_the_front_page_is_one_page():
    lines = FRONT.read_text("utf-8").splitlines()
    assert len(lines) <= 100
    for line in lines:
        if line.startswith("| ") and not line.startswith("| figure"):
            assert re.search(r"\| \[\w+\]\([\w/]+\.md\) \|$", line), f"no script: {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(HERE)))
def test_what_a_page_names_exists(page):
    text = page.read_text("utf-8")
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (page.parent / link).exists(), link
    for file in re.findall(r"\b[\w/]+\.py\b", text):
        assert any((folder / file).exists() for folder in (page.parent, HERE, ROOT)), file


@pytest.mark.parametrize("pattern", [r"benchmarks/[\w/-]+\.\w+", r"python -m benchmarks\.[\w.]*\w"])
def test_what_is_named_elsewhere_exists(pattern):
    """Pages, scripts and results that code, docstrings and README speak of."""
    found = {
        (path, name) for path in CODE for name in re.findall(pattern, path.read_text("utf-8"))
    }
    assert len(found) > 20
    for path, name in found:
        module = name.removeprefix("python -m benchmarks.")
        assert module in {*SCRIPTS, "NAME"} or (ROOT / name).exists(), f"{name} in {path}"
