"""The command line on a machine that others use as well."""

import os
import subprocess
import sys

import pytest

SAID = """
import os, sys
import blcf.cli
blcf.cli.main = lambda: print(0, os.environ["OMP_WAIT_POLICY"])
from blcf.__main__ import main
main()
"""


@pytest.mark.parametrize("given", [None, "active"])
def test_threads_that_wait_sleep(given) -> None:
    """Said to OpenMP by the command line alone, unless the user says otherwise."""
    environment = {name: value for name, value in os.environ.items() if "OMP_WAIT" not in name}
    environment |= {"OMP_WAIT_POLICY": given} if given else {}
    command = [sys.executable, "-c", "import blcf, os; print(os.environ.get('OMP_WAIT_POLICY'))"]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert printed.stdout.split() == [str(given)]
    command = [sys.executable, "-c", SAID]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert printed.stdout.split()[1] == (given or "passive")
