"""TRECVID INS: a whole small year, its frames under every convention, and what goes wrong."""

import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blcf.datasets.trecvid import read_trecvid, shot_of
from blcf.errors import BlcfError, DatasetNotFound, FormatError, InvalidInput

TOPICS = """<?xml version="1.0" encoding="ISO-8859-1"?>
<!DOCTYPE videoInstanceTopics SYSTEM "videoInstanceTopics.dtd">
<videoInstanceTopics>
<videoInstanceTopic
text="a circular 'no smoking' logo"
num="9069"
type="OBJECT">
  <imageExample src="9069.1.src.bmp" mask="9069.1.mask.bmp" />
  <imageExample src="9069.2.src.bmp" mask="9069.2.mask.bmp" />
</videoInstanceTopic>
<videoInstanceTopic text="a small red
  obelisk" num="9070" type="OBJECT">
</videoInstanceTopic>
<videoInstanceTopic text="an Audi caf\xe9 sign" num="9071" type="OBJECT">
  <imageExample src="9071.1.src.bmp" shotID="shot9_9"/>
</videoInstanceTopic>
</videoInstanceTopics>
"""
QRELS = """9069 0 shot1_1 1
9069 0 shot1_2 0
9069 0 shot2_17 1
9070\t0\tshot1_2\t1
9070 0 shot3_3 -1

"""
MASKS = {  # x1, y1, x2, y2 of the white, in pictures of 48 x 32
    "9069.1": (8, 4, 20, 30),
    "9069.2": (0, 0, 48, 32),
    "9070.1": (47, 31, 48, 32),
    "9070.2": (1, 2, 3, 4),
    "9071.1": (5, 5, 6, 6),
}
FRAMES = ["shot1_1/00001", "shot1_1/00005", "shot1_2/00001", "shot2_17/00003", "shot2_170/00001"]


def save_frames(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        path = folder / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (24, 16)).save(path)


def save_examples(folder: Path, ending: str = "bmp") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for stem, (x1, y1, x2, y2) in MASKS.items():
        Image.new("RGB", (48, 32), "gray").save(folder / f"{stem}.src.{ending}")
        mask = np.zeros((32, 48), np.uint8)
        mask[y1:y2, x1:x2] = 255
        Image.fromarray(mask).convert("RGB").save(folder / f"{stem}.mask.{ending}")


@pytest.fixture
def ins(tmp_path: Path) -> Path:
    (tmp_path / "ins.auto.topics.2013.xml").write_text(TOPICS, encoding="latin-1")
    (tmp_path / "ins.search.qrels.tv13").write_text(QRELS)
    save_examples(tmp_path / "tv13.example.images")
    save_frames(tmp_path / "frames", FRAMES)
    return tmp_path


def test_a_year(ins: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    truth = read_trecvid(ins)
    assert (truth.name, truth.protocol, truth.path) == ("ins2013", "trecvid", ins)
    assert [query.name for query in truth.queries] == ["9069", "9070", "9071"]
    assert [query.object for query in truth.queries] == [
        *("a circular 'no smoking' logo", "a small red obelisk", "an Audi caf\xe9 sign")
    ]
    assert [query.positives for query in truth.queries] == [
        *({"shot1_1", "shot2_17"}, {"shot1_2"}, set())  # 9071 was not judged
    ]
    (images,) = truth.images
    assert images.root == ins and images.names == [f"frames/{name}.jpg" for name in FRAMES]
    assert truth.shots == {f"frames/{name}.jpg": name.split("/")[0] for name in FRAMES}
    assert not truth.missing(images.names)
    assert not caplog.records


def test_examples(ins: Path) -> None:
    """Their boxes are those around the white of the masks, half-open."""
    folder = ins / "tv13.example.images"
    for query in read_trecvid(ins).queries:
        stems = [stem for stem in MASKS if stem.startswith(query.name)]
        assert [example.image for example in query.examples] == [
            folder / f"{stem}.src.bmp" for stem in stems
        ]
        for stem, example in zip(stems, query.examples, strict=True):
            assert example.mask == folder / f"{stem}.mask.bmp"
            assert example.box is not None and example.box.dtype == np.float32
            np.testing.assert_array_equal(example.box, MASKS[stem])


@pytest.mark.parametrize("ending", ["png", "PNG"])
def test_converted_examples(ins: Path, ending: str) -> None:
    for path in (ins / "tv13.example.images").iterdir():
        path.unlink()
    save_examples(ins / "topics" / "2013" / "9069", ending)
    example = read_trecvid(ins).queries[0].examples[0]
    assert example.image == ins / "topics" / "2013" / "9069" / f"9069.1.src.{ending}"


@pytest.mark.parametrize(
    "name",
    [
        "shot123_45/00001.jpg",
        "shot123_45/frame 7.jpg",
        "frames/2013/shot123_45/00001.jpg",
        "shot9_9/shot123_45_00001.jpg",  # the file says it, not the folder
        "shot123_45_00001.jpg",
        "shot123_45_1_RKF.jpg",
        "shot123_45.jpg",
        "Shot123_45-3.JPG",
        "shot0123_045.jpg",
        "TRECVID2013_10/TRECVID2013_10.shot123_45/TRECVID2013_10.shot123_45.RKF_0.Frame_4.jpg",
        "123/45/00001.jpg",
        "frames/123/45/00001.jpg",
        "video123/shot45/00001.jpg",
        "video_123/shot_45/00001.jpg",
    ],
)
def test_conventions(name: str) -> None:
    assert shot_of(name) == "shot123_45"


@pytest.mark.parametrize(
    "name",
    ["00001.jpg", "45/00001.jpg", "snapshot123_45.jpg", "shot123/a/1.jpg", "shot.jpg", "", "a/b/c"],
)
def test_names_that_tell_no_shot(name: str) -> None:
    assert shot_of(name) is None


def test_frames_elsewhere(ins: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("frames")
    save_frames(elsewhere, ["1/1/00001", "1/2/00001", "2/17/00001"])
    truth = read_trecvid(ins, frames=elsewhere)
    assert truth.images[0].root == elsewhere
    assert truth.shots == {
        "1/1/00001.jpg": "shot1_1",
        "1/2/00001.jpg": "shot1_2",
        "2/17/00001.jpg": "shot2_17",
    }


def test_a_collection_of_the_frames_alone(ins: Path) -> None:
    truth = read_trecvid(ins).renamed(f"{name}.jpg" for name in FRAMES)
    assert truth.shots["shot2_17/00003.jpg"] == "shot2_17"
    assert truth.queries[0].positives == {"shot1_1", "shot2_17"}


def test_video_0_and_other_pictures(ins: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No shot of video 0 may be found; a picture without a shot cannot be."""
    caplog.set_level(logging.INFO)
    save_frames(ins / "frames", ["shot0_1/00001", "shot0_2/00001", "logo"])
    Image.new("RGB", (48, 32)).save(ins / "tv13.example.images" / "9069.1.showmask.bmp")
    assert len(read_trecvid(ins).shots) == len(FRAMES)
    assert "2 frames of video 0 are left out" in caplog.text
    assert "1 pictures do not tell a shot by their name and are left out, such as" in caplog.text


def test_half_of_the_frames(ins: Path, caplog: pytest.LogCaptureFixture) -> None:
    (ins / "frames" / "shot2_17" / "00003.jpg").unlink()
    truth = read_trecvid(ins)
    assert "1 of 3 relevant shots have no frame in" in caplog.text
    assert truth.missing(truth.images[0].names) == ["shot2_17"]


def test_equal_shots_are_one_text(ins: Path) -> None:
    """There are hundreds of thousands of frames."""
    shots = read_trecvid(ins).shots
    assert shots["frames/shot1_1/00001.jpg"] is shots["frames/shot1_1/00005.jpg"]


def test_several_years(ins: Path) -> None:
    (ins / "2014").mkdir()
    text = TOPICS.replace("9069", "9099").replace("9070", "9100").replace("9071", "9101")
    (ins / "2014" / "ins.topics.2014.xml").write_text(text, encoding="latin-1")
    (ins / "2014" / "ins.interactive.topics.2014.xml").write_text("")  # some of them, for people
    (ins / "ins.search.qrels.tv14").write_text("9099 0 shot1_2 1\n")
    (ins / "ins.search.qrels.tv2013.csv").write_text("9069#$#3")
    with pytest.raises(InvalidInput, match="there are 2014/ins.topics.2014.xml, ins.auto.topics"):
        read_trecvid(ins)
    assert read_trecvid(ins, 2013).queries[0].name == "9069"
    with pytest.raises(DatasetNotFound, match="Topic 9099 has 2 .* 9099.1.src.bmp, 9099.1.mask"):
        read_trecvid(ins, 2014)
    with pytest.raises(DatasetNotFound, match=r"of 2015 in .*\(only ins.topics.2014.xml, ins"):
        read_trecvid(ins, 2015)


def test_files_that_tell_no_year(ins: Path) -> None:
    (ins / "ins.auto.topics.2013.xml").rename(ins / "ins.topics.xml")
    (ins / "ins.search.qrels.tv13").rename(ins / "my.ins.qrels")
    assert read_trecvid(ins).name == "ins"
    assert read_trecvid(ins, 2013).name == "ins2013"


@pytest.mark.parametrize("year", [2012, 2016, "2013", 13, 2013.0, True])
def test_other_years(ins: Path, year: object) -> None:
    with pytest.raises(InvalidInput, match="Expected year to be an integer from 2013 to 2015"):
        read_trecvid(ins, year)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("ins.auto.topics.2013.xml", r"such as ins.auto.topics.2013.xml in .*trecvid.nist.gov"),
        ("ins.search.qrels.tv13", "such as ins.search.qrels.tv13 of 2013 in"),
        ("tv13.example.images/9069.2.src.bmp", "Topic 9069 has 2 .*not found: 9069.2.src.bmp"),
        ("tv13.example.images/9071.1.mask.bmp", "Topic 9071 has 1 .*not found: 9071.1.mask.bmp"),
        ("tv13.example.images/9070.*.src.bmp", "Topic 9070 has 0 .*not found: 9070.1.src.bmp"),
        ("frames/*/*", "Expected frames that tell their shot .* none among 10 pictures"),
        ("*/**/*.*", "expected pictures, found none.*trecvid.nist.gov"),
    ],
)
def test_what_is_missing(ins: Path, gone: str, message: str) -> None:
    for path in list(ins.glob(gone)):
        path.unlink()
    with pytest.raises(DatasetNotFound, match=message):
        read_trecvid(ins)


def test_a_black_mask(ins: Path) -> None:
    path = ins / "tv13.example.images" / "9069.1.mask.bmp"
    Image.new("RGB", (48, 32)).save(path)
    with pytest.raises(FormatError, match="white on the object in .*9069.1.mask.bmp, it is black"):
        read_trecvid(ins)
    Image.new("RGB", (32, 48), "white").save(path)
    with pytest.raises(InvalidInput, match="48x32"):
        read_trecvid(ins)


@pytest.mark.parametrize(
    "line",
    ["9069 0 shot1_1", "9069 0 shot1_1 1 1", "9069 0 shot1_1 yes", "9069 0 shot1_1 1.0"]
    + ["9069 0 shot1_1 " + "1" * 5000],
)
def test_qrels_of_another_form(ins: Path, line: str) -> None:
    (ins / "ins.search.qrels.tv13").write_text(f"9069 0 shot1_1 1\n{line}\n")
    with pytest.raises(FormatError, match="qrels.tv13, line 2: expected topic 0 shot relevance"):
        read_trecvid(ins)


def test_qrels_of_another_year(ins: Path) -> None:
    (ins / "ins.search.qrels.tv13").write_text("9099 0 shot1_1 1\n")
    with pytest.raises(FormatError, match="it judges none of them"):
        read_trecvid(ins)
    (ins / "ins.search.qrels.tv13").write_bytes(b"\xff\xfe\0\0")
    with pytest.raises(FormatError, match="qrels.tv13 to be text"):
        read_trecvid(ins)


TENFOLD = ('<!ENTITY %s "%s">' % (new, f"&{old};" * 10) for old, new in zip("abcdefgh", "bcdefghi"))
BOMB = '<!DOCTYPE x [<!ENTITY a "ha">' + "".join(TENFOLD)
XML = {
    "bomb": (BOMB + ']><x text="&i;"/>', "line 1: the entity 'a' is declared"),
    "file": (
        '<!DOCTYPE x [\n<!ENTITY f SYSTEM "file:///etc/passwd">]><x>&f;</x>',
        "line 2: the entity 'f' is declared",
    ),
    "parameter": ('<!DOCTYPE x [<!ENTITY % p SYSTEM "http://a/">%p;]><x/>', "'p' is declared"),
    "no number": ('<x>\n<videoInstanceTopic text="a"/></x>', "line 2: expected a topic with a num"),
    "twice": ('<x><videoInstanceTopic num="1"/>\n<videoInstanceTopic num="1"/></x>', "line 2: exp"),
    "example": (
        '<videoInstanceTopic num="1">\n<imageExample src="a.jpg"/></videoInstanceTopic>',
        "line 2: expected an imageExample with src",
    ),
    "none": ("<x/>", "found none"),
    "cut short": ("<x>\n<videoInstanceTopic", "to be XML, it is not .*line 2"),
    "nothing": ("", "to be XML, it is not"),
    "encoding": ('<?xml version="1.0" encoding="klingon"?><x/>', "to be XML, it is not"),
    "large": ("<x/>" + " " * 2**24, "at most 16 MiB"),
}


@pytest.mark.parametrize("case", XML)
def test_topics_of_another_form(ins: Path, case: str) -> None:
    text, message = XML[case]
    (ins / "ins.auto.topics.2013.xml").write_text(text)
    with pytest.raises(FormatError, match=f"topics.2013.xml.*{message}|{message}.*topics.2013.xml"):
        read_trecvid(ins)


def test_damaged_topics(ins: Path) -> None:
    """Whatever the bytes: topics, or an error of ours."""
    random = np.random.default_rng(0)
    path = ins / "ins.auto.topics.2013.xml"
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(200):
        damaged = whole.copy()
        damaged[random.integers(0, len(whole), 3)] = random.integers(0, 256, 3)
        path.write_bytes(damaged.tobytes()[: random.integers(1, 2 * len(whole))])
        try:
            assert read_trecvid(ins).queries
        except BlcfError as error:
            assert str(error)
