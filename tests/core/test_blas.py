"""The limit on the threads of NumPy's BLAS."""

from __future__ import annotations

from threadpoolctl import threadpool_info, threadpool_limits

from netspec.core import blas


def threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_the_limit_holds_for_a_block_or_until_it_is_taken_back() -> None:
    import numpy as np

    np.ones((2, 2)) @ np.ones((2, 2))
    with threadpool_limits(2, user_api="blas"):
        for _ in range(2):  # the pools are looked for once, their numbers of threads each time
            with blas.single_threaded():
                assert threads() == {1}
            assert threads() == {2}
        limited = blas.single_threaded()
        assert threads() == {1}
        limited.restore_original_limits()
        assert threads() == {2}
