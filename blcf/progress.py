"""The progress bar: text on stderr; in a notebook a widget, where there are some."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # In a notebook without ipywidgets, tqdm says at import that it draws with text instead.
    warnings.simplefilter("ignore")
    from tqdm.auto import tqdm as tqdm  # noqa: F401
