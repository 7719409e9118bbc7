"""What a command imports before it does anything: seconds, where nobody looks."""

import subprocess
import sys

import pytest

from blcf.cli.command import TEXTS
from blcf.cli.parser import build_parser

HEAVY = ("numpy", "scipy", "numba", "h5py", "PIL", "torch", "torchvision", "sklearn", "matplotlib")


def imported(code: str) -> set[str]:
    """Which heavy libraries a program has imported when it ends."""
    told = f"import sys\n{code}\nprint([one for one in {HEAVY} if one in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return set(eval(ended.stdout.splitlines()[-1]))


@pytest.mark.parametrize("words", [["--help"], ["--version"], [], ["nonsense", "--quiet"]])
def test_help_needs_nothing(words) -> None:
    code = f"from blcf.cli import main\ntry:\n    main({words})\nexcept SystemExit:\n    pass"
    assert imported(code) == set()


def test_a_search_by_a_frame_needs_no_network() -> None:
    assert not {"torch", "torchvision", "sklearn", "matplotlib"} & imported(
        "import blcf.cli.searching"
    )
    with_ndimage = "import blcf.cli.searching\nassert 'scipy.ndimage' not in sys.modules"
    imported(with_ndimage)


def test_the_help_lists_every_command() -> None:
    short, whole = build_parser("search").format_help(), build_parser().format_help()
    assert short == whole == build_parser("").format_help()
    assert all(f"\n    {name} " in whole for name in TEXTS)


def test_a_command_says_what_the_list_says() -> None:
    for name in TEXTS:
        parser = build_parser(name)
        with pytest.raises(SystemExit):
            parser.parse_args([name, "--help"])
