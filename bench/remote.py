"""Times a pass over HTTP, from a server on this machine that adds 20 ms to each answer, beside the
same pass over the file, and counts the requests of opening.

    python bench/remote.py FILE.h5ad [--zarr FOLDER] [--latency 0.02] [--repeats 3]
"""

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent


def measured(place, repeats):
    import anndataoom as oom

    oom.settings.scratch = 0  # packed rows of the first pass would be read by the others
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        adata = oom.read(place)
        opened = time.perf_counter() - began
        total = adata.X.sum()
        times.append((time.perf_counter() - began, opened))
    whole, opened = min(times)
    traffic = adata._file.traffic()
    return {"seconds": whole, "open": opened, "sum": float(total), "traffic": traffic}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--zarr", type=Path)
    parser.add_argument("--latency", type=float, default=0.02)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    for path in filter(None, [given.file, given.zarr]):
        server = subprocess.Popen(
            [sys.executable, HERE.parent / "tests" / "remote" / "server.py", path.parent, "600"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{int(server.stdout.readline())}"

            def told(query, url=url):
                with urllib.request.urlopen(f"{url}/_?{query}") as answer:
                    return json.load(answer)

            here = measured(path, given.repeats)
            told(f"reset=1&latency={given.latency}")
            import anndataoom as oom

            began = time.perf_counter()
            oom.read(f"{url}/{path.name}")
            opened, counts = time.perf_counter() - began, told("ranges=1")
            far = measured(f"{url}/{path.name}", given.repeats)
            assert far["sum"] == here["sum"]
            size = (
                path.stat().st_size if path.is_file() else sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
            )
            print(f"{path.name} ({size / 1e6:.0f} MB), {given.latency * 1000:.0f} ms before each answer:")
            print(f"  opening: {opened:.2f} s, {counts['requests']} requests, {counts['bytes'] / 1e6:.1f} MB")
            print(f"  open and a full pass: {far['seconds']:.2f} s, from the disk {here['seconds']:.2f} s,", end=" ")
            print(f"{far['seconds'] / here['seconds']:.2f} times as long; {far['traffic'][0]} requests,", end=" ")
            print(f"{far['traffic'][1] / 1e6:.0f} MB", flush=True)
        finally:
            server.stdin.close()
            server.wait(20)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    main()
