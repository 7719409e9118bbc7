"""Small imitations of Oxford5k, Paris6k and the revisited sets, laid out as their archives unpack.

Each landmark has six pictures: 0 to 4 are the queries 1 to 5; good are 0 to 2, ok 3, junk 4; 5 is
not in the ground truth.
"""

from __future__ import annotations

import pickle
from pathlib import Path

from PIL import Image

OXFORD = (
    "all_souls ashmolean balliol bodleian christ_church cornmarket hertford keble magdalen "
    "pitt_rivers radcliffe_camera"
).split()
PARIS = (
    "defense eiffel invalides louvre moulinrouge museedorsay notredame pantheon pompidou "
    "sacrecoeur triomphe"
).split()


def write_picture(path: Path, colour: int = 128) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (32, 24), (colour % 256, 90, 30)).save(path)
    return path


def write_pictures(folder: Path, names: list[str]) -> None:
    for colour, name in enumerate(names):
        write_picture(folder / name, 3 * colour)


def write_truth(folder: Path, landmarks: list[str], start: str, prefix: str = "") -> None:
    """The 220 text files."""
    folder.mkdir(parents=True, exist_ok=True)
    for landmark in landmarks:
        names = [f"{start}{landmark}_{i:06d}" for i in range(6)]
        for i in range(5):
            text = {
                "query": f"{prefix}{names[i]} 1.5 2 {20 + i} 23.5\n",
                "good": "".join(f"{name}\n" for name in names[:3]),
                "ok": f"{names[3]}\n",
                "junk": f"{names[4]}\n",
            }
            for kind, lines in text.items():
                (folder / f"{landmark}_{i + 1}_{kind}.txt").write_text(lines, newline="")


def make_oxford(folder: Path, pictures: str = "", truth: str = "") -> Path:
    """`pictures` and `truth` are folders below `folder`."""
    names = [f"{landmark}_{i:06d}.jpg" for landmark in OXFORD for i in range(6)]
    write_pictures(folder / pictures, names + ["worcester_000001.jpg", "oxford_002904.jpg"])
    write_truth(folder / truth, OXFORD, "", "oxc1_")
    return folder


def make_paris(folder: Path, pictures: str = "paris", truth: str = "paris_120310") -> Path:
    """Each landmark in a folder, and a file that is no picture, as in the archives."""
    for landmark in [*PARIS, "general"]:
        names = [f"{landmark}/paris_{landmark}_{i:06d}.jpg" for i in range(6)]
        write_pictures(folder / pictures, names)
    corrupt = folder / pictures / "louvre" / "paris_louvre_000136.jpg"
    corrupt.write_text("<html>302 Found</html>")
    write_truth(folder / truth, PARIS, "paris_")
    return folder


def make_revisited(folder: Path, name: str = "roxford5k", protocol: int = 2) -> dict:
    """The set in folder/jpg and folder/gnd_<name>.pkl; gives what the pickle holds."""
    database = [f"all_souls_{i:06d}" for i in range(8)]
    queries = ["all_souls_000013", "oxford_002416"]
    write_pictures(folder / "jpg", [f"{stem}.jpg" for stem in [*database, *queries]])
    content = {
        "imlist": database,
        "qimlist": queries,
        "gnd": [
            {"bbx": [1.5, 2.0, 20.0, 22.5], "easy": [0, 2], "hard": [5], "junk": [1]},
            {"bbx": [0.0, 0.0, 32.0, 24.0], "easy": [], "hard": [7], "junk": []},
        ],
    }
    (folder / f"gnd_{name}.pkl").write_bytes(pickle.dumps(content, protocol))
    return content
