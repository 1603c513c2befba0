"""Root causes of exceptions, and observation of another process's end."""

from __future__ import annotations

import errno
import os
import platform
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from runfolio.tracking.process.outcome import RunOutcome
from runfolio.tracking.process.process_observer import ProcessObserver


def full() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "weights.pt")


def after(before: Exception, how: str) -> Exception:
    """Return a RuntimeError raised because of another exception, while handling it, or with it suppressed."""
    try:
        try:
            raise before
        except Exception:
            if how == "because":
                raise RuntimeError("second") from before
            if how == "aside":
                raise RuntimeError("second") from None
            raise RuntimeError("second")  # noqa: B904 - that is the case
    except RuntimeError as error:
        return error


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ValueError("bad shape"), "exception"),
        (MemoryError(), "out-of-memory"),
        (np._core._exceptions._ArrayMemoryError((1,), np.dtype("f8")), "out-of-memory"),  # type: ignore[attr-defined]
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), "out-of-memory"),
        (RuntimeError("std::bad_alloc"), "out-of-memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "out-of-memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), "cuda-out-of-memory"),
        (RuntimeError("CUDA error: out of memory"), "cuda-out-of-memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), "cuda-out-of-memory"),
        (full(), "disk-full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "disk-full"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "disk-full"),
        (OSError(errno.ENOENT, "No such file"), "exception"),
        (after(full(), "because"), "disk-full"),
        (after(full(), "meanwhile"), "disk-full"),
        (after(full(), "aside"), "exception"),
        (after(KeyError("x"), "because"), "exception"),
    ],
    ids=repr,
)
def test_root_cause_of_an_exception_is_found(error: Exception, cause: str):
    assert RunOutcome.from_exception(error).cause == cause


@pytest.mark.parametrize(
    ("last_words", "code"),
    [("pass", 0), ("os._exit(3)", 3), ("os.kill(os.getpid(), 9)", -9), ("os.abort()", -6)],
)
@pytest.mark.parametrize("waited_for", [True, False])
def test_exit_of_another_process_is_read_before_and_after_its_wait(last_words: str, code: int, *, waited_for: bool):
    if waited_for and tuple(map(int, platform.release().split(".")[:2])) < (6, 15):
        pytest.skip("Linux tells the status of a process that was waited for since 6.15")
    process = subprocess.Popen([sys.executable, "-c", f"import os; os.read(0, 1); {last_words}"], stdin=subprocess.PIPE)
    assert process.stdin is not None
    descriptor = os.pidfd_open(process.pid)
    observer = ProcessObserver(process.pid, descriptor)
    process.stdin.close()
    if waited_for:
        process.wait()
    else:
        os.waitid(os.P_PIDFD, descriptor, os.WEXITED | os.WNOWAIT)
        time.sleep(0.01)
    assert observer.exit_code() == code
    process.wait()
    os.close(descriptor)


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not text")


def test_exception_without_a_text_is_named_by_its_class():
    outcome = RunOutcome.from_exception(UnspeakableError())
    assert (outcome.state, outcome.reason) == ("failed", f"{__name__}.UnspeakableError: <exception str() failed>")
    assert RunOutcome.from_exit_code(UnspeakableError()).reason == "exited with message: UnspeakableError"


@pytest.mark.parametrize(
    ("outcome", "is_prompt", "reason"),
    [
        (RunOutcome.from_exit_code(2), False, "ValueError: bad luck"),  # `ipython script.py`
        (RunOutcome.from_exit_code(2), True, "ValueError: bad luck"),
        (RunOutcome(), False, "ValueError: bad luck"),  # pytest, whose exit status is not visible
        (RunOutcome(), True, None),  # at a prompt, the error may be an old one
        (RunOutcome("failed", "by hand", 1), False, "by hand"),
    ],
)
def test_exception_that_others_caught_last_is_the_reason(
    outcome: RunOutcome, is_prompt: bool, reason: str | None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "last_value", ValueError("bad luck"), raising=False)
    monkeypatch.delattr(sys, "ps1", raising=False)
    if is_prompt:
        monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    assert outcome.with_last_error().reason == reason
