"""torchvision's networks and weights, imported where one of them is asked for."""

from __future__ import annotations

from typing import Any

from blcf.errors import InvalidInput

__all__ = ["torchvision_models"]


def torchvision_models() -> Any:
    """The module ``torchvision.models``; blcf-lite does without it.

    Raises
    ------
    InvalidInput
        It cannot be imported.
    """
    try:
        from torchvision import models
    except (ImportError, OSError, RuntimeError) as error:  # one that was built for another torch
        raise InvalidInput(
            f"torchvision cannot be imported ({str(error).splitlines()[0]}): networks other than "
            "blcf-lite need it. Install the torch and the torchvision that belong together "
            "(https://pytorch.org/get-started), or take blcf-lite."
        ) from error
    return models
