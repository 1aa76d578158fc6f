"""What the Python tools share: timing a step, and the last lines of the report."""

import contextlib
import json
import time


@contextlib.contextmanager
def step(name):
    started = time.perf_counter()
    yield
    print(json.dumps({"step": name, "seconds": time.perf_counter() - started}), flush=True)


def report(**values):
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    print(json.dumps({"peak_mb": peak / 1024, **values}), flush=True)
