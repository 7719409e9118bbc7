"""Every stage is an estimator: scikit-learn's own checks, `clone`, pipelines, and light imports."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.validation import check_is_fitted

from blcf import BagOfWords, Vocabulary, Whitening
from blcf.descriptors import (
    MAC,
    RMAC,
    VLAD,
    CroW,
    GeM,
    NeuralCodes,
    SPoC,
    SumPooling,
    UCroW,
)
from blcf.errors import InvalidInput
from blcf.estimator import Estimator, as_rows

SAMPLE = np.random.default_rng(0).random((300, 8), dtype=np.float32)
MAPS = [np.random.default_rng(i).random((6, 3, 4 + i % 2), dtype=np.float32) for i in range(30)]
WORDS = [np.random.default_rng(i).integers(0, 9, (3, 4), dtype=np.int32) for i in range(5)]

# A stage, what it is learned from, and other parameters.
STAGES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "Whitening": (Whitening(4), SAMPLE, {"n_components": 3}),
    "Vocabulary": (Vocabulary(5, device="cpu"), SAMPLE, {"n_words": 7, "tol": 0.0}),
    "BagOfWords": (BagOfWords(9), WORDS, {"weighting": "center"}),
    "NeuralCodes": (NeuralCodes(4), SAMPLE, {"n_components": 3}),
    "SumPooling": (SumPooling(4), MAPS, {"n_components": 3}),
    "UCroW": (UCroW(4), MAPS, {"n_components": 3}),
    "SPoC": (SPoC(4), MAPS, {"center_prior": False}),
    "MAC": (MAC(4), MAPS, {"n_components": None, "whiten": False}),
    "RMAC": (RMAC(4), MAPS, {"n_scales": 2}),
    "CroW": (CroW(4), MAPS, {"a": 1, "channel_weights": False}),
    "GeM": (GeM(4), MAPS, {"p": 2.0}),
    "VLAD": (VLAD(4, n_words=3), MAPS, {"n_words": 2, "n_local_components": 5}),
}
every_stage = pytest.mark.parametrize(("stage", "given", "other"), STAGES.values(), ids=STAGES)
LEARNING = {name: stage for name, stage in STAGES.items() if name != "BagOfWords"}

OWN_WORDS = "the error is raised, in our words in place of scikit-learn's"
EXPECTED = {
    "check_n_features_in_after_fitting": OWN_WORDS,
    "check_estimators_empty_data_messages": OWN_WORDS,
    "check_fit2d_1sample": OWN_WORDS,
    "check_dtype_object": "what is no number is an InvalidInput, a ValueError, not a TypeError",
}
ONE_DIRECTION = {"check_fit2d_1feature": "L2 leaves nothing of one channel; the error is ours"}
CODE = {"check_fit2d_predict1d": OWN_WORDS}
NAN = {"check_estimators_nan_inf": "NaN is found by fit, in our words; of it transform makes NaN"}
WORD = {"check_estimators_nan_inf": "NaN is found by fit; a feature of NaN has word 0"}
FAILING = {
    "Whitening": EXPECTED | ONE_DIRECTION | NAN,
    "NeuralCodes": EXPECTED | ONE_DIRECTION | CODE,
    "Vocabulary": EXPECTED | WORD,
}


def as_array(rows: Any) -> np.ndarray:
    return np.asarray(rows.toarray() if sp.issparse(rows) else rows)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "stage", [Whitening(), Vocabulary(3, device="cpu"), NeuralCodes()], ids=FAILING
)
def test_scikit_learns_own_checks(stage: Any) -> None:
    failing = FAILING[type(stage).__name__]
    results = estimator_checks.check_estimator(
        stage, expected_failed_checks=failing, on_fail=None, on_skip=None
    )
    failed = {one["check_name"]: one["exception"] for one in results if one["status"] == "failed"}
    assert not failed
    passed = {one["check_name"] for one in results if one["status"] == "passed"}
    assert len(passed) > 35
    assert not passed & set(failing)  # an exception to the rule that is none any more


@every_stage
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name",
    [
        "check_estimator_cloneable",
        "check_estimator_tags_renamed",
        "check_valid_tag_types",
        "check_estimator_repr",
        "check_no_attributes_set_in_init",
        "check_do_not_raise_errors_in_init_or_set_params",
        "check_mixin_order",
        "check_get_params_invariance",
        "check_set_params",
        "check_parameters_default_constructible",
    ],
)
def test_checks_without_data(stage: Any, given: Any, other: dict[str, Any], name: str) -> None:
    if name == "check_parameters_default_constructible" and isinstance(stage, BagOfWords):
        pytest.skip("a bag has as many words as its vocabulary: there is no default")
    check: Callable[[str, Any], None] = getattr(estimator_checks, name)
    check(type(stage).__name__, stage)


@every_stage
def test_the_constructor_keeps_what_it_is_given(
    stage: Any, given: Any, other: dict[str, Any]
) -> None:
    parameters = {name: object() for name in inspect.signature(type(stage)).parameters}
    made = type(stage)(**parameters)
    assert vars(made) == parameters == made.get_params()


@every_stage
def test_parameters(stage: Any, given: Any, other: dict[str, Any]) -> None:
    changed = clone(stage)
    assert changed is not stage and changed.get_params() == stage.get_params()
    assert changed.set_params(**other) is changed
    assert changed.get_params() == {**stage.get_params(), **other} != stage.get_params()
    with pytest.raises(
        InvalidInput, match=rf"parameter of {type(stage).__name__} \(.*got 'absent'"
    ):
        changed.set_params(**stage.get_params(), absent=1)
    assert changed.get_params() == {**stage.get_params(), **other}
    assert changed.set_params() is changed


@every_stage
def test_fit_and_a_clone_of_what_is_fitted(stage: Any, given: Any, other: dict[str, Any]) -> None:
    before = clone(stage).get_params()
    fitted = clone(stage)
    assert fitted.fit(given, None) is fitted
    assert fitted.get_params() == before
    learned = set(vars(fitted)) - set(before)
    assert all(name.endswith("_") or name.startswith("_") for name in learned)
    check_is_fitted(fitted)
    found = as_array(fitted.transform(given))
    assert len(found) == len(given)
    again = clone(fitted)
    assert vars(again) == before
    np.testing.assert_array_equal(as_array(again.fit_transform(given, None)), found)
    np.testing.assert_array_equal(
        as_array(pickle.loads(pickle.dumps(fitted)).transform(given)), found
    )
    # By other parameters, and back.
    changed = clone(fitted).set_params(**other).fit(given)
    other_rows = as_array(changed.transform(given))
    assert other_rows.shape != found.shape or (other_rows != found).any()
    back = as_array(changed.set_params(**before).fit(given).transform(given))
    np.testing.assert_array_equal(back, found)


@pytest.mark.parametrize(("stage", "given", "other"), LEARNING.values(), ids=LEARNING)
def test_before_fit(stage: Any, given: Any, other: dict[str, Any]) -> None:
    unfitted = clone(stage)
    with pytest.raises(NotFittedError):
        check_is_fitted(unfitted)
    with pytest.raises(InvalidInput, match="call fit first"):
        unfitted.transform(given)
    assert repr(unfitted).endswith(": not fitted")


@every_stage
def test_it_shows_itself(stage: Any, given: Any, other: dict[str, Any]) -> None:
    page = clone(stage).fit(given)._repr_html_()
    assert type(stage).__name__ in page and "sk-container" in page
    nested = make_pipeline(stage)
    assert repr(stage) in repr(nested) and type(stage).__name__ in nested._repr_html_()


def test_tags() -> None:
    tags = get_tags(Whitening())
    assert tags.requires_fit and not tags.target_tags.required and tags.input_tags.two_d_array
    assert not get_tags(BagOfWords(3)).requires_fit
    assert not get_tags(MAC()).input_tags.two_d_array


def test_whitening_and_vocabulary_in_a_pipeline() -> None:
    whitening, vocabulary = Whitening(4), Vocabulary(9, device="cpu", random_state=3)
    by_hand = clone(whitening).fit(SAMPLE)
    words = clone(vocabulary).fit(by_hand.transform(SAMPLE))
    expected = words.assign_features(by_hand.transform(SAMPLE))
    steps = Pipeline([("whitening", whitening), ("vocabulary", vocabulary)])
    np.testing.assert_array_equal(steps.fit(SAMPLE).transform(SAMPLE), expected)
    assert vocabulary.digest_ == words.digest_ and whitening.digest_ == by_hand.digest_
    np.testing.assert_array_equal(clone(steps).fit_transform(SAMPLE), expected)
    check_is_fitted(steps)
    seen: list[int] = []
    other = clone(steps).set_params(whitening__n_components=3, vocabulary__n_words=5)
    other.fit(SAMPLE, vocabulary__on_iteration=lambda i, _: seen.append(i))
    assert other["vocabulary"].centroids_.shape == (5, 3)
    assert len(seen) == other["vocabulary"].n_iter_ == len(other["vocabulary"].inertia_history_)
    with pytest.raises(ValueError, match="absent"):
        steps.set_params(vocabulary__absent=3)


def test_from_feature_maps_to_bags() -> None:
    features = np.concatenate([one.reshape(len(one), -1).T for one in MAPS])
    whitening = Whitening(4).fit(features)
    vocabulary = Vocabulary(9, device="cpu").fit(whitening.transform(features))

    def assign(maps: list[np.ndarray]) -> list[np.ndarray]:
        return [vocabulary.assign(one, whitening=whitening) for one in maps]

    found = make_pipeline(FunctionTransformer(assign), BagOfWords(9)).fit_transform(MAPS)
    assert (found != BagOfWords(9).encode_many(assign(MAPS))).nnz == 0
    assert found.shape == (30, 9)


def test_a_descriptor_in_a_pipeline() -> None:
    halved = FunctionTransformer(lambda maps: [one / 2 for one in maps])
    steps = make_pipeline(halved, MAC(4))
    found = steps.fit_transform(MAPS, mac__learned_on="these")
    np.testing.assert_array_equal(found, MAC(4).fit_transform(halved.transform(MAPS)))
    assert steps["mac"].learned_on_ == "these"
    rows = make_pipeline(MAC(5), NeuralCodes(3)).fit_transform(MAPS)
    np.testing.assert_array_equal(rows, NeuralCodes(3).fit_transform(MAC(5).fit_transform(MAPS)))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (sp.eye(4, format="csr"), r"dense features, got a sparse matrix\. Use its toarray"),
        (np.ones((4, 2), dtype=complex), "Complex data not supported: expected reals"),
        (np.array([["a", {}]], dtype=object), "features as an array of numbers"),
        ([[1, 2], [3]], "features as an array of numbers"),
    ],
)
@pytest.mark.parametrize(
    "fit", [Whitening().fit, Vocabulary(2).fit, NeuralCodes().fit], ids=list(FAILING)
)
def test_what_is_no_table_of_numbers(fit: Any, given: Any, message: str) -> None:
    if isinstance(given, list) and isinstance(fit.__self__, NeuralCodes):
        message = "2 channels as in the codes that were learned from, got 1 in code 1"
    with pytest.raises(InvalidInput, match=message):
        fit(given)


def test_tables_of_any_kind() -> None:
    pandas = pytest.importorskip("pandas")
    frame, rows = pandas.DataFrame(SAMPLE), SAMPLE.tolist()
    for stage in (Whitening(4), Vocabulary(5, device="cpu"), NeuralCodes(4)):
        expected = stage.fit_transform(SAMPLE)
        for given in (frame, rows, SAMPLE.astype(object)):
            np.testing.assert_array_equal(clone(stage).fit(given).transform(given), expected)
            np.testing.assert_array_equal(clone(stage).fit_transform(given), expected)
    assert as_rows(SAMPLE) is SAMPLE


def test_scikit_learn_is_not_imported_before_it_asks() -> None:
    code = """
import sys
import numpy as np
import blcf.bags, blcf.collection, blcf.descriptors, blcf.features, blcf.searching, blcf.vocabulary
from blcf import BagOfWords, Vocabulary, Whitening
sample = np.random.default_rng(0).random((200, 8), dtype=np.float32)
whitening = Whitening(4).fit(sample)
vocabulary = Vocabulary(5, device="cpu").fit(whitening.transform(sample))
BagOfWords(5).fit_transform([vocabulary.assign_features(whitening.transform(sample))[None]])
repr(vocabulary), vocabulary.get_params(), whitening.set_params(n_components=3)
print([name for name in ("sklearn", "pandas", "joblib") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_all_stages_have_one_base() -> None:
    assert all(isinstance(stage, Estimator) for stage, _, _ in STAGES.values())
