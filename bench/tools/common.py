"""The common parts of the Python tools: timing a step, and the last lines of the report."""

import contextlib
import json
import time


peaks = []


def peak():
    """Records the peak resident set in MB since the last step; Linux resets it on request."""
    with open("/proc/self/status") as status:
        peaks.append(next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024)
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as clear:
        clear.write("5")
    return peaks[-1]


@contextlib.contextmanager
def step(name):
    started = time.perf_counter()
    yield
    seconds = time.perf_counter() - started
    print(json.dumps({"step": name, "seconds": seconds, "peak_mb": peak()}), flush=True)


def report(**values):
    peak()
    print(json.dumps({"peak_mb": max(peaks), **values}), flush=True)
