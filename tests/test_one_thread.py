"""The number of BLAS threads is counted and restored; results come in order."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from blcf.threads import in_order, one_blas_thread, one_openmp_thread, together
from blcf.vocabulary.alone import alone


def n_blas_threads() -> set[int]:
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    with threadpool_limits(3, "blas"):  # of the main thread
        yield
    torch.set_num_threads(before)


def test_one_blas_thread_restores_the_number() -> None:
    with one_blas_thread() as n_threads:
        assert n_threads == 3 and n_blas_threads() == {1}
        with one_blas_thread() as inner:  # still what it was outside
            assert inner == 3
        assert n_blas_threads() == {1}
    assert n_blas_threads() == {3}


def test_one_blas_thread_restores_the_number_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), one_blas_thread():
        raise ZeroDivisionError
    assert n_blas_threads() == {3}


def test_the_last_of_several_threads_restores_the_number() -> None:
    """A thread that left first would give the others back their many threads."""
    first_inside, second_inside = threading.Event(), threading.Event()
    found = []

    def first() -> None:
        with one_blas_thread():
            first_inside.set()
            second_inside.wait(10)
        found.append(n_blas_threads())

    thread = threading.Thread(target=first)
    thread.start()
    first_inside.wait(10)
    with one_blas_thread() as n_threads:
        second_inside.set()
        thread.join(10)
        found.append(n_blas_threads())
    assert n_threads == 3 and found == [{1}, {1}]
    assert n_blas_threads() == {3}


def test_many_threads_at_once_leave_the_number_as_it_was() -> None:
    rows = np.random.default_rng(0).random((300, 200))
    expected = None
    with one_blas_thread():
        expected = rows.T @ rows
    wrong = []

    def work() -> None:
        for _ in range(50):
            with one_blas_thread():
                if not np.array_equal(rows.T @ rows, expected):
                    wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert not wrong and n_blas_threads() == {3}


def test_one_openmp_thread_is_of_the_calling_thread_only() -> None:
    inside, done = threading.Event(), threading.Event()
    found = []

    def other() -> None:
        inside.wait(10)
        found.append(torch.get_num_threads())
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    with one_openmp_thread():
        assert torch.get_num_threads() == 1
        inside.set()
        done.wait(10)
    thread.join(10)
    assert found == [3] and torch.get_num_threads() == 3


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_in_order_gives_results_in_the_order_of_items(n_threads: int) -> None:
    def call(item: int) -> int:
        time.sleep(0.002 * (item % 3))
        return item * item

    assert list(in_order(call, range(20), n_threads)) == [item * item for item in range(20)]
    assert list(in_order(call, [], n_threads)) == []


def test_in_order_computes_at_most_so_many_items_at_once() -> None:
    lock, now, most = threading.Lock(), [0], [0]

    def call(item: int) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.002)
        with lock:
            now[0] -= 1

    list(in_order(call, range(20), 2))
    assert most[0] <= 2


def test_an_error_comes_through_when_nothing_runs_any_more() -> None:
    running = [0]

    def call(item: int) -> int:
        running[0] += 1
        time.sleep(0.01)
        running[0] -= 1
        return 1 // item

    with pytest.raises(ZeroDivisionError):
        list(in_order(call, [1, 0, 1, 1, 1], 3))
    assert running == [0]


def test_alone_computes_each_item_with_one_thread() -> None:
    assert list(alone(lambda _: torch.get_num_threads(), range(5))) == [1] * 5
    assert list(alone(lambda _: torch.get_num_threads(), [0])) == [1]
    assert torch.get_num_threads() == 3
    assert list(alone(lambda _: torch.get_num_threads(), range(2), "cuda")) == [3, 3]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_process_has_threads_of_its_own() -> None:
    """The pool's threads are not in it: it would wait for ever."""
    assert list(in_order(abs, [-1, -2, -3], 2)) == [1, 2, 3]
    child = os.fork()
    if not child:
        os._exit(0 if list(in_order(abs, [-1, -2, -3], 2)) == [1, 2, 3] else 1)
    for _ in range(200):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert status == 0
            return
        time.sleep(0.05)
    os.kill(child, 9)
    os.waitpid(child, 0)
    pytest.fail("the forked process waits for threads that it does not have")


def test_calls_together() -> None:
    """Each in a thread, the first in this one; from the threads of `in_order`, too."""
    barrier = threading.Barrier(2)

    def meet() -> None:
        barrier.wait(30)

    names: list[str] = []
    together([lambda: names.append(threading.current_thread().name)])
    together([meet, meet])
    assert names == [threading.current_thread().name]
    for _ in in_order(lambda _: together([meet, meet]), range(1), 2):
        pass
    together([])


@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_of_a_call_comes_when_the_others_have_ended(failing: int) -> None:
    done = []

    def fail() -> None:
        raise ZeroDivisionError

    def slow() -> None:
        time.sleep(0.05)
        done.append(1)

    calls = [slow, slow]
    calls.insert(failing, fail)
    with pytest.raises(ZeroDivisionError):
        together(calls)
    assert len(done) == 2
