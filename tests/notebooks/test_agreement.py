"""What is compared of what notebooks write."""

from __future__ import annotations

import pytest
from agreement import disagreements, text_of
from nbformat import from_dict


@pytest.mark.parametrize(
    ("stored", "fresh"),
    [
        ("score 0.761, 78% of it", "score 0.77, 80% of it"),
        ("24,480 features of 512", "24,479 features of 512"),
        ("  1  0.638  a-1.jpg\n  2  0.637  b-2.jpg", "  1  0.64  b-2.jpg\n  2  0.63  a-1.jpg"),
        ("difference 1e-08", "difference 3e-8"),
        ("temple    0.5", "temple  0.5"),
        ("ranks [1, 9]", "ranks [1, 10]"),
        ("box 98,20,300,410", "box 101,21,299,410"),
    ],
)
def test_texts_that_agree(stored, fresh):
    assert disagreements(stored, fresh) == []


@pytest.mark.parametrize(
    ("stored", "fresh", "said"),
    [
        ("score 0.76", "score 0.66", "stored 0.76, now 0.66"),
        ("24,480 features", "2,480 features", "stored 24, now 2"),
        ("grass-1.jpg", "grass-2.jpg", "grass-2.jpg"),
        ("a\nb", "a", "stored ['b'], now []"),
        ("rank 2", "rank 7", "stored 2, now 7"),
        ("IoU 0.8", "IoU -0.8", "stored 0.8, now -0.8"),
    ],
)
def test_texts_that_do_not(stored, fresh, said):
    (found,) = disagreements(stored, fresh)
    assert said in found


def test_the_text_of_a_cell_is_what_it_wrote_and_showed():
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": "one\n"},
        {"output_type": "execute_result", "data": {"text/plain": "two", "text/html": "<b>2</b>"}},
        {"output_type": "display_data", "data": {"image/jpeg": "..."}},
    ]
    assert text_of(from_dict({"outputs": outputs})).split() == ["one", "two"]
    assert text_of(from_dict({"source": "markdown"})) == ""
