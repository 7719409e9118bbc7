"""Topics of TRECVID instance search: their XML, their example pictures and masks, their qrels.

::

    ins.auto.topics.2013.xml      <videoInstanceTopic text="..." num="9069" type="OBJECT">
                                      <imageExample src="9069.1.src.bmp" .../>
    9069.1.src.bmp                the first example of topic 9069
    9069.1.mask.bmp               white on the object
    ins.search.qrels.tv13         9069 0 shot132_1 1       topic, 0, shot, relevance

Pictures that were converted (``9069.1.src.png``) serve as well: the XML names them without regard
to the ending. Topics that name no example have all those of their number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

import numpy as np

from blcf.datasets.finding import plain_bytes, plain_text
from blcf.datasets.truth import TrueExample
from blcf.errors import DatasetNotFound, FormatError
from blcf.images import as_image, display_name, read_mask

__all__ = ["EXAMPLE", "Topic", "examples_of", "read_relevant", "read_topics"]

EXAMPLE = re.compile(r"(?P<stem>.+\.\d+)\.(?P<kind>src|mask|showmask)\.[a-z]+", re.IGNORECASE)
"""The file name of an example picture: "9069.1", then what it is."""

_RELEVANCE = re.compile(r"-?[0-9]{1,9}")
_MAX_BYTES = 16 * 2**20  # a year's topics have some 10 kB


@dataclass
class Topic:
    """A topic as the XML has it.

    Attributes
    ----------
    number : "9069"
    text : what is looked for
    stems : its examples, "9069.1" ...; empty where the XML names none
    """

    number: str
    text: str
    stems: list[str] = field(default_factory=list)


def read_topics(path: Path) -> list[Topic]:
    """Read the topics of a year.

    Entities other than XML's own five are refused, as is a file of more than 16 MiB: nothing grows
    while it is read, and no other file is opened. A DOCTYPE is passed over.

    Raises
    ------
    DatasetNotFound
        The file cannot be opened.
    FormatError
        Not such XML; the message says which line.
    """
    topics: dict[str, Topic] = {}
    parser = expat.ParserCreate()

    def refuse(what: str) -> FormatError:
        return FormatError(f"{display_name(path)}, line {parser.CurrentLineNumber}: {what}")

    def start(element: str, attributes: dict[str, str]) -> None:
        if element == "videoInstanceTopic":
            number = attributes.get("num", "").strip()
            if not number or number.split() != [number] or number in topics:
                raise refuse(f'expected a topic with a num="..." of its own, got {number!r:.80}.')
            topics[number] = Topic(number, " ".join(attributes.get("text", "").split()))
        elif element == "imageExample" and topics:
            source = re.split(r"[/\\]", attributes.get("src", "").strip())[-1]
            match = EXAMPLE.fullmatch(source)
            if match is None or match["kind"].lower() != "src":
                raise refuse(
                    f'expected an imageExample with src="<topic>.<n>.src.bmp", got {source!r:.80}.'
                )
            topics[next(reversed(topics))].stems.append(match["stem"])

    def entity(name: str, *_: object) -> None:
        raise refuse(f"the entity {name!r:.80} is declared; topics have none. Fetch it again.")

    parser.StartElementHandler = start
    parser.EntityDeclHandler = entity
    try:
        parser.Parse(plain_bytes(path, _MAX_BYTES), True)
    except OSError as error:
        raise DatasetNotFound(f"No topics at {display_name(path)} ({error.strerror}).") from error
    except FormatError:
        raise
    except (expat.ExpatError, LookupError, ValueError) as error:  # the last two: odd encodings
        raise FormatError(
            f"Expected {display_name(path)} to be XML, it is not ({error})."
        ) from error
    if not topics:
        raise FormatError(f"Expected <videoInstanceTopic> in {display_name(path)}, found none.")
    return list(topics.values())


def examples_of(topic: Topic, pictures: Mapping[tuple[str, str], Path]) -> tuple[TrueExample, ...]:
    """The examples of a topic, each with its mask and the box around it.

    Parameters
    ----------
    topic : one of `read_topics`
    pictures : {("9069.1", "src" or "mask"): path}

    Raises
    ------
    DatasetNotFound
        An example or its mask is not there, or the topic has none.
    FormatError
        A mask is black.
    InvalidInput
        A picture cannot be read, or a mask has another size.
    """
    start = f"{topic.number}."
    stems = topic.stems or sorted(
        (stem for stem, kind in pictures if kind == "src" and stem.startswith(start)),
        key=lambda stem: int(stem.rpartition(".")[2]),
    )
    absent = [
        f"{stem}.{kind}.bmp"
        for stem in stems
        for kind in ("src", "mask")
        if (stem, kind) not in pictures
    ]
    if absent or not stems:
        raise DatasetNotFound(
            f"Topic {topic.number} has {len(stems)} example pictures, each with a mask; not found: "
            f"{', '.join(absent) or f'{start}1.src.bmp, {start}1.mask.bmp'}."
        )
    return tuple(_example(pictures[stem, "src"], pictures[stem, "mask"]) for stem in stems)


def _example(image: Path, mask: Path) -> TrueExample:
    height, width = as_image(image).shape[:2]
    inside = read_mask(mask, (width, height)) >= 0.5  # (height, width)
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not len(rows):
        raise FormatError(f"Expected white on the object in {display_name(mask)}, it is black.")
    box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=np.float32)
    return TrueExample(image, box, mask)


def read_relevant(path: Path) -> dict[str, frozenset[str]]:
    """The relevant shots of each topic that was judged, from qrels.

    Raises
    ------
    DatasetNotFound
        The file cannot be opened.
    FormatError
        A line is not of the form.
    """
    relevant: dict[str, set[str]] = {}
    try:
        text = plain_text(path)
    except OSError as error:
        raise DatasetNotFound(f"No qrels at {display_name(path)} ({error.strerror}).") from error
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        if len(words) != 4 or not _RELEVANCE.fullmatch(words[3]):
            raise FormatError(
                f"{display_name(path)}, line {number}: expected topic 0 shot relevance, "
                f"got {line.strip()!r:.80}."
            )
        shots = relevant.setdefault(words[0], set())
        if int(words[3]) > 0:
            shots.add(words[2])
    return {topic: frozenset(shots) for topic, shots in relevant.items()}
