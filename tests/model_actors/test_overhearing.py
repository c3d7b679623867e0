"""What another process printed of its end is found, and passed on all the same."""

from __future__ import annotations

import subprocess
import sys

CHILD = """
import subprocess, sys, time
from model_actors.overhearing import Overheard
heard = Overheard()
subprocess.run([sys.executable, "-c", "print('(W pid=1) ERROR [x.py:1] OSError: old'); import sys; sys.exit(1)"])
time.sleep(0.3)
heard.forget()
subprocess.run([sys.executable, "-c", '''
import time
print("(W pid=1) ERROR 11-27 [worker.py:3] RuntimeError: See stack trace for root cause.")
print("(W pid=1) ERROR 11-27 [worker.py:3] torch.OutOfMemoryError: CUDA out of memory", flush=True)
time.sleep(0.5)  # the two streams are two pipes
raise SystemExit("ValueError: later")'''])
time.sleep(0.3)
print("reason", heard.reason())
time.sleep(0.3)
"""


def test_the_first_exception_that_names_a_cause_is_the_reason() -> None:
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    assert "reason torch.OutOfMemoryError: CUDA out of memory\n" in done.stdout
    assert "OSError: old" in done.stdout
    assert "ValueError: later" in done.stderr
