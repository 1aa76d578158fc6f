"""Places of a file that tests make hostile, and a process of its own to read it."""

import resource
import subprocess
import sys


def alone(code: str, folder, gigabytes: float = 4, seconds: int = 120) -> tuple[int, str, int]:
    """Runs code in a process with little address space: its status, its last line, its peak in MB."""
    limit = int(gigabytes * 2**30)
    # Where there is less already, no more than that.
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    if most != resource.RLIM_INFINITY:
        limit = min(limit, most)
    head = (
        "import warnings; warnings.filterwarnings('ignore')\n"
        f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({limit},) * 2)\n"
        "import numpy as np, anndataoom as oom\noom.settings.verbose = False\n"
    )
    # The peak of getrusage starts at the peak of the process that started this one.
    tail = "\nprint(int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) // 1024)"
    run = subprocess.run(
        [sys.executable, "-c", head + code + tail], cwd=folder, capture_output=True, text=True, timeout=seconds
    )
    lines = run.stdout.split("\n")
    if run.returncode:
        return run.returncode, run.stderr[-500:], 0
    return 0, lines[-3], int(lines[-2])


PLACES = {
    "X/data": lambda o: o.X[:, :],
    "X/indices": lambda o: o.X[:, :],
    "X/indptr": lambda o: o.X[:, :],
    "layers/d": lambda o: o.layers["d"][:, :],
    "layers/c/data": lambda o: o.layers["c"][:, :],
    "raw/X/data": lambda o: o.raw.X[:, :],
    "obs/column": lambda o: o.obs["column"],
    "obs/group/codes": lambda o: o.obs["group"],
    "obsm/m": lambda o: o.obsm["m"],
    "uns/text": lambda o: o.uns["text"],
}
