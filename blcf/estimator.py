"""What makes a stage an estimator of scikit-learn without importing it: `Estimator`.

``clone``, ``Pipeline``, ``check_is_fitted`` and searches over parameters ask for methods, not for a
class, and these are here. `sklearn.base.BaseEstimator` itself is not inherited: to import it takes
1.1 to 2.6 s and 890 modules (scikit-learn 1.9, pandas and scipy.stats among them), as much again as
all that a search of a frame needs, and bags are made on that way. So all stages have this one base,
and scikit-learn is imported when it asks (`__sklearn_tags__`) or a notebook shows a stage.
"""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

import numpy as np

from blcf.errors import InvalidInput
from blcf.printing import shown

__all__ = ["Estimator", "as_rows"]

Self = TypeVar("Self", bound="Estimator")


class Estimator:
    """A stage with parameters, `fit` and `transform`, in the manner of scikit-learn.

    A child's constructor keeps each argument, as it was given, in an attribute of that name and
    does nothing else: `fit`, or the first use, says what cannot be. The name of what `fit` learns
    ends in ``_``, and nobody but the class sets it. No parameter of a stage is itself a stage. `y`
    is what a pipeline hands on as the targets, and is not looked at.
    """

    _learned = ""  # what `fit` sets last; "" where there is nothing to learn
    _takes_rows = False  # features (n, d); False: lists of maps
    _keeps_dtype: tuple[str, ...] = ()  # of features, which `transform` returns as well

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters of the constructor; `deep` changes nothing, as none of them is a stage."""
        return {name: getattr(self, name) for name in self._parameters()}

    def set_params(self: Self, **parameters: Any) -> Self:
        """Change parameters; what was learned stays until the next `fit`.

        Raises
        ------
        InvalidInput
            A name that is none of a parameter: nothing is changed then.
        """
        known = self._parameters()
        for name in parameters:
            if name not in known:
                raise InvalidInput(
                    f"Expected a parameter of {type(self).__name__} ({', '.join(known)}), "
                    f"got {name!r}."
                )
        for name, value in parameters.items():
            setattr(self, name, value)
        return self

    @classmethod
    def _parameters(cls) -> list[str]:
        return list(inspect.signature(cls).parameters)

    def _state(self) -> str:
        """What was learned, in some words."""
        return ""

    def __repr__(self) -> str:
        return shown(self, self._state() if self.__sklearn_is_fitted__() else "not fitted")

    def _repr_html_(self) -> str:
        from sklearn.utils import estimator_html_repr

        return str(estimator_html_repr(self))

    def __sklearn_is_fitted__(self) -> bool:
        return not self._learned or hasattr(self, self._learned)

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(preserves_dtype=list(self._keeps_dtype)),
            input_tags=InputTags(two_d_array=self._takes_rows),
            requires_fit=bool(self._learned),
        )


def as_rows(features: Any) -> Any:
    """Features as an array that can be sliced: arrays, memory maps too, as they are.

    Lists and tables become arrays.

    Raises
    ------
    InvalidInput
        A sparse matrix, complex numbers, or what is no array.
    """
    if hasattr(features, "tocsr"):
        raise InvalidInput("Expected dense features, got a sparse matrix. Use its toarray().")
    if not isinstance(features, np.ndarray) and not _is_stored(features):
        features = _as_array(features)
    if features.dtype.kind == "O":
        features = _as_array(features, np.float64)
    if features.dtype.kind == "c":
        raise InvalidInput(f"Complex data not supported: expected reals, got {features.dtype}.")
    return features


def _as_array(given: Any, dtype: type | None = None) -> np.ndarray:
    try:
        return np.asarray(given, dtype, order="C")  # a data frame's columns are summed otherwise
    except (TypeError, ValueError, RuntimeError) as error:  # ragged; on another device
        raise InvalidInput(f"Expected features as an array of numbers ({error}).") from error


def _is_stored(features: Any) -> bool:
    """Whether it is read from a file slice by slice, as h5py's data sets are."""
    return isinstance(getattr(features, "dtype", None), np.dtype) and hasattr(features, "chunks")
