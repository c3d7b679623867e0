"""The helper process: its limits, what comes back of it, and that nothing outlives it or its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import helper_calls
import numpy as np
import pytest

from pipeline.helper import Helper
from pipeline.rendering import Helpers
from pipeline.units import UnreadableError

ROOT = Path(__file__).resolve().parents[2]
PARENT = """
from pipeline.helper import Helper
helper = Helper(2, 1024)
helper.call({first})
print("ready", flush=True)
helper.call({then})
"""


@pytest.fixture(scope="module")
def helper() -> Iterator[Helper]:
    """A helper of 1 s and 256 MB, as good after every failure as before."""
    made = Helper(1, 256)
    yield made
    made.close()


def failure(helper: Helper, function: str, *args: Any) -> tuple[str, str]:
    with pytest.raises(UnreadableError) as caught:
        helper.call(function, *args)
    return caught.value.category, caught.value.message


def eventually(holds: Callable[[], bool]) -> bool:
    for _ in range(300):
        if holds():
            return True
        time.sleep(0.05)
    return False


def is_gone(pid: int) -> bool:
    """Whether a process has ended, waited for or not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def own_files() -> list[str]:
    """What processes of ours hold or left in shared memory."""
    return sorted(name for name in os.listdir("/dev/shm") if "canvass" in name)


def descriptors() -> list[str]:
    links = []
    for name in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:  # the one that lists
            continue
    return sorted(link for link in links if "canvass-pixels" in link or "socket" in link)


def test_a_call_that_takes_too_long_ends_and_the_next_one_works(helper: Helper) -> None:
    message = "took over 1 s; raise limits.seconds to allow it more"
    assert failure(helper, "helper_calls:sleep", 60) == ("timeout", message)
    assert helper.call("helper_calls:echo", "next") == (("next",), [])


def test_compiled_code_that_hears_no_signal_ends_too(helper: Helper) -> None:
    assert failure(helper, "helper_calls:compute_deaf")[0] == "timeout"
    assert helper.call("helper_calls:echo", "next") == (("next",), [])


def test_the_time_of_a_call_is_its_own(helper: Helper) -> None:
    for _ in range(3):
        assert helper.call("helper_calls:sleep", 0.5) == (None, [])


def test_a_call_that_takes_too_much_memory_fails_and_the_next_one_works_in_the_same_process(helper: Helper) -> None:
    pid, _ = helper.call("helper_calls:own_pid")
    message = "needs more than 256 MB; raise limits.memory_mb to allow it"
    assert failure(helper, "helper_calls:take_memory", 300) == ("memory", message)
    assert helper.call("helper_calls:take_memory", 200) == (200 << 20, [])
    assert helper.call("helper_calls:own_pid") == (pid, [])


@pytest.mark.parametrize(("number", "name"), [(signal.SIGKILL, "SIGKILL"), (signal.SIGSEGV, "SIGSEGV"),
                                              (signal.SIGABRT, "SIGABRT")])  # fmt: skip
def test_a_call_whose_process_dies_is_a_crash_and_the_next_one_works(helper: Helper, number: int, name: str) -> None:
    assert failure(helper, "helper_calls:die", number) \
        == ("crash", f"its reader process died ({name}); the file may be hostile or damaged")
    assert helper.call("helper_calls:echo", "next") == (("next",), [])


def test_a_call_that_leaves_without_a_word_is_a_crash(helper: Helper) -> None:
    assert failure(helper, "helper_calls:leave", 0) \
        == ("crash", "its reader process died (status 0); the file may be hostile or damaged")


def test_a_process_that_died_while_idle_is_started_again(helper: Helper) -> None:
    pid, _ = helper.call("helper_calls:own_pid")
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: is_gone(pid))
    assert helper.call("helper_calls:own_pid")[0] != pid


def test_what_a_function_raises_comes_back(helper: Helper) -> None:
    assert failure(helper, "helper_calls:fail", "unreadable") == ("encrypted", "needs a password")
    message = "RuntimeError: bad token at 17; it may be damaged: open it in a viewer and save it again"
    assert failure(helper, "helper_calls:fail", "any") == ("damaged", message)
    assert failure(helper, "helper_calls:fail", "storage") == ("storage", "s3://b/k: connection reset")


def test_arrays_come_back_exactly_and_stay_when_the_next_ones_come(helper: Helper) -> None:
    shapes = [(1, 1, 3), (48, 960, 3), (1536, 1008, 3), (7, 10, 3)]
    expected = [helper_calls.pictures(seed, *shapes)[1] for seed in (0, 9)]
    got = [helper.call("helper_calls:pictures", seed, *shapes) for seed in (0, 9)]
    for (result, images), wanted in zip(got, expected, strict=True):
        assert result == "drawn"
        assert [image.shape for image in images] == [(1, 1, 3), (48, 960, 3), (1536, 1008, 3), (7, 5, 3)]
        assert all(np.array_equal(image, other) for image, other in zip(images, wanted, strict=True))


def test_several_calls_come_back_in_order_each_with_its_own_outcome_and_arrays(helper: Helper) -> None:
    calls = [(1, (5, 5, 3)), (2, "not a shape"), (3, (7, 2, 3), (9, 4, 3))]
    outcomes: list[Any] = []
    while len(outcomes) < len(calls):
        outcomes += helper.call_some("helper_calls:pictures", calls[len(outcomes) :])
    (_, first), error, (_, third) = outcomes
    assert np.array_equal(first[0], helper_calls.pictures(*calls[0])[1][0])
    assert error.category == "damaged"
    for image, expected in zip(third, helper_calls.pictures(*calls[2])[1], strict=True):
        assert np.array_equal(image, expected)


def test_slow_calls_come_back_one_at_a_time(helper: Helper) -> None:
    assert helper.call_some("helper_calls:sleep", [(0.2,), (0.2,)]) == [(None, [])]


def test_a_call_that_kills_its_process_takes_no_other_with_it(helper: Helper) -> None:
    first, dead = helper.call_some("helper_calls:die_if", [(False,), (True,), (False,)])
    assert first == (False, [])
    assert isinstance(dead, UnreadableError)
    assert dead.category == "crash"
    [dead] = helper.call_some("helper_calls:die_if", [(True,), (False,)])
    assert isinstance(dead, UnreadableError)
    assert dead.category == "crash"
    assert helper.call_some("helper_calls:die_if", [(False,), (False,)]) == [(False, []), (False, [])]


def test_arguments_and_results_of_many_megabytes_pass(helper: Helper) -> None:
    body = bytes(range(256)) * 40_000
    assert helper.call("helper_calls:echo", body) == ((body,), [])


def test_nothing_is_left_in_shared_memory_nor_open_after_a_kill() -> None:
    before = descriptors()
    helper = Helper(5, 256)
    _, images = helper.call("helper_calls:pictures", 1, (960, 960, 3))
    pid, _ = helper.call("helper_calls:own_pid")
    os.kill(pid, signal.SIGKILL)
    failure(helper, "helper_calls:die", signal.SIGKILL)
    assert own_files() == []
    assert images[0].shape == (960, 480, 3)
    assert images[0].sum() > 0
    del images
    helper.close()
    assert descriptors() == before


def test_closing_ends_the_process() -> None:
    helpers = Helpers(2, 5, 256)
    pids = [helpers.call("helper_calls:own_pid")[0] for _ in range(2)]
    assert len(set(pids)) == 2
    helpers.close()
    assert all(is_gone(pid) for pid in pids)


@pytest.mark.parametrize("working", [False, True], ids=["idle", "working"])
def test_the_process_ends_when_its_parent_is_killed(tmp_path: Path, working: bool) -> None:
    written = str(tmp_path / "pid")
    pid_first, then_sleep = "'helper_calls:own_pid'", f"'helper_calls:sleep', 60, {written!r}"
    sleep_first = f"'helper_calls:sleep', 0, {written!r}"
    code = PARENT.format(first=pid_first, then=then_sleep) if working else \
        PARENT.format(first=sleep_first, then=pid_first) + "import time; time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT,
                              env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"})
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"ready\n"
    assert eventually(Path(written).exists)
    pid = int(Path(written).read_text())
    assert not is_gone(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert eventually(lambda: is_gone(pid))
