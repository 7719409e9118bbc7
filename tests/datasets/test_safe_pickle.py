"""Pickles of plain values are read as pickle reads them; whatever else they ask for is refused."""

from __future__ import annotations

import collections
import os
import pickle
import random
from pathlib import Path

import numpy as np
import pytest

from blcf.datasets import pickle_instructions
from blcf.datasets.safe_pickle import MAX_BYTES, MAX_DEPTH, read_pickle
from blcf.errors import DatasetNotFound, FormatError

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)

SHARED = [1, "shared"]
VALUES = {
    "constants": [None, True, False],
    "numbers": [0, 1, -1, 255, 256, 65536, -(2**31), 2**31, 2**70, -(2**2100), 1.5, -0.0, 1e300],
    "texts": ["", "a", "é\n'\"\\", "日本", "x" * 300, "x" * 70_000],
    "bytes": [b"", b"\x00\xff", b"y" * 300, b"y" * 70_000],
    "groups": [[], {}, (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), list(range(2500))],
    "many": {str(i): (i, [i]) for i in range(2500)},
    "twice": [SHARED, SHARED, {"again": SHARED}],
    "nested": {"a": {"b": [({"c": [[]]},)]}},
}
TYPES = ["?", "i1", "u1", "<i2", "<u4", "<i8", ">i8", ">i4", "<f2", "<f4", "<f8", ">f8"]
ARRAYS = [
    np.arange(6).astype(dtype).reshape(shape, order=order)
    for dtype in TYPES
    for shape, order in [((6,), "C"), ((2, 3), "C"), ((2, 3), "F"), ((6, 1, 1), "C")]
] + [np.array([]), np.zeros((0, 4), np.int32), np.array(5), np.arange(12).reshape(3, 4)[:, ::2]]


@pytest.fixture
def read(tmp_path):
    def written(data: bytes):
        path = tmp_path / "some.pkl"
        path.write_bytes(data)
        return read_pickle(path)

    return written


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", VALUES)
def test_plain_values(read, name, protocol):
    value = read(pickle.dumps(VALUES[name], protocol))
    assert value == VALUES[name] and repr(value) == repr(VALUES[name])  # 1 is not True, 0. not -0.


def test_what_is_used_twice_is_one_thing(read):
    value = read(pickle.dumps(VALUES["twice"], 2))
    assert value[0] is value[1] is value[2]["again"]
    ring: list = []
    ring.append(ring)
    value = read(pickle.dumps(ring))
    assert value[0] is value


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_arrays(read, protocol):
    data = pickle.dumps(ARRAYS, protocol)
    for array, got in zip(pickle.loads(data), read(data), strict=True):
        np.testing.assert_array_equal(got, array)
        assert type(got) is np.ndarray and got.dtype == array.dtype and got.flags.writeable
    same = np.arange(3)
    one, other = read(pickle.dumps([same, same], protocol))
    assert one is other


def test_axes_in_another_order(read):
    array = np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2)
    assert np.array_equal(read(pickle.dumps(array, 4)), array)
    data = b"cnumpy.core.numeric\n_frombuffer\n(C\x01ac" b"numpy\ndtype\nX\x02\x00\x00\x00u1\x85R"
    assert read(data + b"K\x01\x85X\x01\x00\x00\x00CtR.").tolist() == [97]
    with pytest.raises(FormatError, match="an array with its axes in another order"):
        read(data + b"K\x01\x85X\x01\x00\x00\x00KK\x00\x85tR.")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_numbers_of_numpy(read, protocol):
    numbers = [np.int64(-3), np.float32(1.5), np.bool_(True), np.uint8(200), np.float64(2.5)]
    got = read(pickle.dumps({"some": numbers}, protocol))["some"]
    assert got == numbers and [type(each) for each in got] == [type(each) for each in numbers]


def test_names_since_and_until_numpy_2(read):
    data = pickle.dumps([np.arange(3), np.int32(4)], 2)
    here = b"numpy._core" if b"numpy._core" in data else b"numpy.core"
    for home in (b"numpy._core", b"numpy.core"):
        array, number = read(data.replace(here, home))
        assert array.tolist() == [0, 1, 2] and number == 4


def test_python_2(read):
    protocol_0 = b"(dp0\nS'imlist'\np1\n(lp2\nS'all_souls_000013'\np3\naVx\\u00e9\np4\nag3\nas."
    assert read(protocol_0) == {"imlist": ["all_souls_000013", "xé", "all_souls_000013"]}
    assert read(b"(lp0\nI01\naI00\naI7\naL8L\naF1.5\naNa.") == [True, False, 7, 8, 1.5, None]
    assert read(b"(S'a'\nI2\nd.") == {"a": 2}
    # cPickle, protocol 2: SHORT_BINSTRING, BINSTRING, LONG1; the array's bytes are a string.
    assert read(b"\x80\x02]q\x00(U\x03abcq\x01T\x02\x00\x00\x00\xe9zq\x02\x8a\x01\x05e.") == [
        "abc",
        "éz",
        5,
    ]
    array = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b"
        b"\x87Rq\x03(K\x01K\x02\x85cnumpy\ndtype\nq\x04U\x02i4K\x00K\x01\x87Rq\x05(K\x03U\x01<NNNJ"
        b"\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x08\x01\x00\x00\x00\xff\xff\xff\xfftb."
    )
    assert read(array).tolist() == [1, -1] and read(array).dtype == np.int32


class Reduced:
    def __init__(self, *how):
        self.how = how

    def __reduce__(self):
        return self.how


class Plain:
    pass


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("value", "named"),
    [
        (Reduced(os.system, ("touch owned",)), "system"),
        (Reduced(eval, ("open('owned', 'w')",)), "eval"),
        (Reduced(getattr, (list, "append")), "getattr"),
        (Reduced(np.load, ("owned",)), "numpy"),
        (Plain(), "Plain|_reconstructor"),
        (Path("x"), "Path|pathlib"),
        (collections.OrderedDict(a=1), "OrderedDict"),
        ({1, 2}, "set|instruction EMPTY_SET"),
        (1j, "complex"),
        (np.array([None, "x"]), "type 'O8'"),
        (np.array(["text"]), "type 'U4'|type '<U4'"),
        (np.array([1j]), "type 'c16'"),
        (np.zeros(2, [("a", "i4")]), "type 'V4'"),
        (np.datetime64("2020-01-01"), "type 'M8'"),
        (np.dtype("i4"), "a function or a type"),
        ([np.ndarray], "a function or a type"),
        ({1: 2}, "a key of type int"),
        ({(1, 2): 2}, "a key of type tuple"),
    ],
)
def test_refused(read, tmp_path, monkeypatch, value, named, protocol):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FormatError, match=f"some.pkl: expected a pickle of plain.*({named})"):
        read(pickle.dumps({"a": [value]}, protocol))
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"cos\nsystem\n(S'touch owned'\ntR.", "asks for 'os.system'"),
        (b"(S'touch owned'\nios\nsystem\n.", "asks for 'os system'"),
        (b"(cos\nsystem\nS'touch owned'\no.", "asks for 'os.system'"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x01x\x85R.", "asks for 'os.system'"),
        (b"\x80\x02c__builtin__\nbytes\nK\x05\x85\x81.", "instruction NEWOBJ"),
        (b"\x80\x04c__builtin__\nbytes\n)}\x92.", "instruction NEWOBJ_EX"),
        (b"(c__builtin__\nbytes\nK\x05o.", "instruction OBJ"),
        (b"\x82\x01.", "instruction EXT1"),
        (b"\x84\x01\x00\x00\x00.", "instruction EXT4"),
        (b"Pname\n.", "instruction PERSID"),
        (b"S'name'\nQ.", "instruction BINPERSID"),
        (b"\x80\x05\x97.", "instruction NEXT_BUFFER"),
        (b"K\x01K\x020.", "instruction POP"),
        (b"]}b.", "sets the state of a list"),
        (b"}}b.", "sets the state of a dict"),
        (b"c__builtin__\nbytes\n}b.", "sets the state of a Named"),
        (b"K\x01)R.", "calls a int"),
        (b"cnumpy\nndarray\n)R.", "calls the type of arrays"),
        (b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00rot\x86R.", "encodes as 'rot'"),
        (b"cnumpy\ndtype\nX\x03\x00\x00\x00i16\x85R.", "array of type 'i16'"),
        (b"cnumpy\ndtype\nX\x02\x00\x00\x00i4\x85R(K\x03X\x01\x00\x00\x00<]NNtb.", "with fields"),
        (b"]" * (MAX_DEPTH + 1) + b"a" * MAX_DEPTH + b".", f"more than {MAX_DEPTH} levels"),
        (b")" + b"\x85" * 100_000 + b".", f"more than {MAX_DEPTH} levels"),
    ],
)
def test_refused_instructions(read, data, named):
    with pytest.raises(FormatError, match=named):
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b".", b"K", b"K\x01", b"K\x01K\x02.", b"(K\x01.", b"t.", b"a.", b"K\x01a."),
        *(b"](a.", b"h\x05.", b"q\x00.", b"\xff.", b"Inot\n.", b"X\xff\xff\xff\x7fa.", b"}K\x01s."),
        *(b"K\x01K\x02a.", b"]K\x01K\x02s.", b"}(K\x01u.", b"e.", b"S'a\n.", b"\x85.", b"cos\n"),
        b"K\x01\x93.",
        *(b"not a pickle", b"<html>404 Not Found</html>", b"\x89HDF\r\n", b"version https://git"),
        b"cnumpy\ndtype\nK\x01\x85R.",
        b"cnumpy\ndtype\nX\x02\x00\x00\x00i4\x85R(K\x03X\x01\x00\x00\x00?NNtb.",
        b"cnumpy.core.numeric\n_frombuffer\n(C\x04abcdK\x01K\x02X\x01\x00\x00\x00CtR.",
        pickle.dumps(np.arange(4, dtype="i2"), 2).replace(b"K\x04\x85", b"K\x05\x85"),
    ],
)
def test_damaged(read, data):
    with pytest.raises(FormatError, match="some.pkl: the pickle is damaged or cut short"):
        read(data)


def test_missing(tmp_path):
    with pytest.raises(DatasetNotFound, match="No file at .*none.pkl"):
        read_pickle(tmp_path / "none.pkl")


def test_too_large(tmp_path):
    path = tmp_path / "large.pkl"
    with open(path, "wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(FormatError, match="expected at most 16 MiB"):
        read_pickle(path)


def test_a_small_file_does_not_become_a_large_value(read):
    n = 4 * 2**20  # bytes, made an array again and again by two instructions
    data = b"c_codecs\nencode\nq\x00X" + n.to_bytes(4, "little") + b"a" * n
    data += b"X\x06\x00\x00\x00latin1\x86q\x010(" + b"h\x00h\x01R" * 1000 + b"t."
    with pytest.raises(FormatError, match="instruction POP"):
        read(data)
    with pytest.raises(FormatError, match="makes more than 32 MiB"):
        read(data.replace(b"\x86q\x010(", b"\x86q\x01(", 1))


def test_a_value_of_a_billion_paths(read):
    # Thirty levels, each the one below it twice: nothing may walk all ways or write them out.
    levels = b"]q\x00" + b"".join(b"](h%ch%ceq%c" % (i, i, i + 1) for i in range(30))
    assert len(read(b"(" + levels + b"t.")) == 31
    with pytest.raises(FormatError, match="damaged .*list for a text"):
        read(b"cnumpy\ndtype\n((" + levels + b"ltR.")


@pytest.mark.parametrize("data", [b"]", b"K\x01", b"(", b"G" + bytes(8), b"}q\x00"])
def test_so_many_objects(read, data, monkeypatch):
    """20 MB of lists took 34 s and 1.5 GB."""
    monkeypatch.setattr(pickle_instructions, "MOST_INSTRUCTIONS", 1000)
    with pytest.raises(FormatError, match="it has more than 1,000 instructions"):
        read(data * 2000)


def test_strings_of_python_2(read):
    every = "".join(map(chr, range(256))) + "'\""
    assert read(b"S" + repr(every.encode("latin-1"))[1:].encode() + b"\n.") == every
    for text in (b"'\\d'", b"'\\x1'", b"'\\400'", b"'\\'", b"'a", b"a", b"'", b"'a\""):
        with pytest.raises(FormatError, match="a string with"):
            read(b"S" + text + b"\n.")


@pytest.mark.filterwarnings("error")  # strings with a damaged escape made Python warn
def test_damaged_bytes(read):
    generator = random.Random(0)
    value = {
        "imlist": [f"all_souls_{i:06d}" for i in range(5)],
        "gnd": [{"bbx": [1.5, 2.0, 3.0, 4.0], "easy": np.arange(4), "hard": [np.int64(3)]}],
        "more": [None, True, (1, 2, 3), b"bytes", 2**70, np.ones((2, 2))],
    }
    for protocol in PROTOCOLS:
        whole = pickle.dumps(value, protocol)
        for _ in range(120):
            data = bytearray(whole)
            for _ in range(generator.randint(1, 4)):
                data[generator.randrange(len(data))] = generator.randrange(256)
            if generator.random() < 0.3:
                del data[generator.randrange(len(data)) :]
            try:
                read(bytes(data))
            except FormatError:
                pass
