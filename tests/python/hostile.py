"""Lists elements that tests make hostile, and runs code that reads them in a separate process."""

import resource
import subprocess
import sys


def alone(code: str, folder, gigabytes: float = 4, seconds: int = 120) -> tuple[int, str, int]:
    """Runs code in a process with little address space. Returns its exit status, its last line and
    its peak in MB."""
    limit = int(gigabytes * 2**30)
    # If the limit is lower already, it stays.
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    if most != resource.RLIM_INFINITY:
        limit = min(limit, most)
    head = (
        "import warnings; warnings.filterwarnings('ignore')\n"
        f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({limit},) * 2)\n"
        "import numpy as np, anndataoom as oom\noom.settings.verbose = False\n"
    )
    # The peak of getrusage starts at the peak of the parent process, so that of /proc is used.
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
