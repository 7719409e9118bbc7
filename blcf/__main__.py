"""``python -m blcf``: the command line."""

import sys

from blcf.cli import main

if __name__ == "__main__":
    sys.exit(main())
