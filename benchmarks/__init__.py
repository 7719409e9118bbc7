"""How good, how fast and how small blcf is: README.md has the figures and the scripts behind them.

Every script runs from the root of the checkout: ``python -m benchmarks.search``.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the command line, before torch is loaded
