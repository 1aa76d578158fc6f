"""Runs the regression tests on anndataoom 0.1.8, where they should fail:

    PYTHON against_018.py [pytest -k expression]

PYTHON belongs to an environment with anndataoom==0.1.8, anndata 0.12, pandas<3, h5py, hdf5plugin
and pytest. Every test runs in a process of its own with limits of memory and time, because one of
the defects is a loop that fills the memory. The exit status is 1 if a test passes there that is not
listed below with a reason.
"""

import re
import resource
import subprocess
import sys
from pathlib import Path

import anndataoom

HERE = Path(__file__).resolve().parent
FILES = [*sorted(path.name for path in HERE.glob("test_018_*.py")), "test_indexing.py"]
SECONDS = 60
BYTES = 8 << 30
# Tests that hold for 0.1.8 as well: its correct behaviour, which must not be lost.
PASSES = {
    "test_robust_genes_keep_the_object": "in place, object identity kept: omicverse relies on it",
    "test_gene_groups": "parity noted as good",
    "test_filters[gzip]": "a filter 0.1.8 reads",
    "test_filters[None]": "no filter",
    "test_filters_of_plugins[fletcher32]": "a filter 0.1.8 reads",
    "test_filters_of_plugins[blosc-zstd]": "a filter 0.1.8 reads",
    "test_filters_of_plugins[blosc-blosclz]": "a filter 0.1.8 reads",
    "test_indexing_that_is_refused[too large]": "an IndexError there as well",
    "test_indexing_that_is_refused[too small]": "an IndexError there as well",
    "test_chunks_of_rows_cost_their_rows": "the values were right, the cost was not",
}


def limit():
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))


def run(test):
    """Runs a test. Returns its outcome and the line that gives the reason."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--tb=short", "-p", "no:cacheprovider", test]
    try:
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=SECONDS, preexec_fn=limit)
    except subprocess.TimeoutExpired:
        return "fails", f"does not end within {SECONDS} s"
    if done.returncode in (4, 5):
        sys.exit(f"{test} did not run:\n{done.stdout}{done.stderr}")
    if done.returncode == 0:
        return "skipped" if " skipped" in done.stdout else "passes", ""
    why = re.findall(r"^E\s+(.*\S)", done.stdout, re.M) or (done.stdout + done.stderr).splitlines()[-1:]
    return "fails", why[0][:110] if why else f"exit status {done.returncode}"


def main():
    if anndataoom.__version__ != "0.1.8":
        sys.exit(f"expected anndataoom 0.1.8, found {anndataoom.__version__}")
    listing = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", *FILES]
    listing += ["-k", sys.argv[1]] if len(sys.argv) > 1 else []
    found = subprocess.run(listing, cwd=HERE, capture_output=True, text=True).stdout
    tests = [line for line in found.splitlines() if "::" in line]
    unexpected = 0
    for test in tests:
        name = test.split("::", 1)[1]
        outcome, why = run(test)
        known = PASSES.get(name)
        if outcome == "passes":
            why = f"expected: {known}" if known else "UNEXPECTED"
            unexpected += known is None
        print(f"{outcome:8}{name:56}{why}", flush=True)
    print(f"{len(tests)} tests, {unexpected} pass unexpectedly")
    sys.exit(unexpected > 0)


if __name__ == "__main__":
    main()
