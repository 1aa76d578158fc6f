"""Times a pass over HTTP, from a server on this machine that waits before each answer, beside the
same pass over the file, and counts the requests of opening.

    python bench/remote.py FILE.h5ad [--zarr FOLDER] [--latency 0.02] [--repeats 3]

The server is nginx with its module echo (Debian: nginx, libnginx-mod-http-echo), which takes little of
the processor that both share; where it is missing, the server of the tests, in Python, which takes much.
The processor time of the server is told, and the ratio without it: on a machine of its own it would take
none of the reader's.
"""

import argparse
import glob
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
NGINX = """
load_module {module};
daemon off;
worker_processes 1;
{user}
pid {work}/nginx.pid;
error_log {work}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
  client_body_temp_path {work}/body; proxy_temp_path {work}/proxy; fastcgi_temp_path {work}/fastcgi;
  uwsgi_temp_path {work}/uwsgi; scgi_temp_path {work}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{ echo_sleep {latency}; echo_exec @files; }}
    location @files {{ root {root}; }}
  }}
}}
"""


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def served(root, latency):
    """Serves a folder; gives the URL, a name of the server, and the ids of its processes."""
    nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    module = glob.glob("/usr/lib/*/nginx/modules/ngx_http_echo_module.so")
    module += glob.glob("/usr/lib*/nginx/modules/ngx_http_echo_module.so")
    with tempfile.TemporaryDirectory() as work:
        if nginx and module:
            os.chmod(work, 0o755)
            port, user = free_port(), "" if os.getuid() else "user root;"
            text = NGINX.format(module=module[0], work=work, port=port, root=root, latency=latency, user=user)
            Path(work, "nginx.conf").write_text(text)
            server = subprocess.Popen([nginx, "-p", work, "-c", f"{work}/nginx.conf"], stderr=subprocess.DEVNULL)
            name, processes = "nginx", None
        else:
            command = [sys.executable, HERE.parent / "tests" / "remote" / "server.py", root, "600"]
            server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            port = int(server.stdout.readline())
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_?reset=1&latency={latency}").read()
            name, processes = "the server of the tests", [server.pid]
        try:
            for _ in range(100):
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.1)
            if processes is None:
                children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
                processes = [server.pid, *map(int, children)]
            yield f"http://127.0.0.1:{port}", name, processes
        finally:
            server.terminate()
            server.wait(20)


def worked(processes):
    """Returns the processor seconds of processes so far."""
    ticks = 0
    for process in processes:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def measured(place, processes=()):
    import anndataoom as oom

    before, own = worked(processes), time.process_time()
    began = time.perf_counter()
    adata = oom.read(place)
    opened = time.perf_counter() - began
    traffic = adata._file.traffic()
    total = float(adata.X.sum())
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds, "open": opened, "pass": seconds - opened, "sum": total,
        "processor": time.process_time() - own, "server": worked(processes) - before,
        "opening": traffic, "traffic": adata._file.traffic(),
    }  # fmt: skip


def least(runs, what):
    return min(run[what] for run in runs)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--zarr", type=Path)
    parser.add_argument("--latency", type=float, default=0.02)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    import anndataoom as oom

    oom.settings.scratch = 0  # packed rows of the first pass would be read by the others
    cores = len(os.sched_getaffinity(0))
    for path in [path.resolve() for path in [given.file, given.zarr] if path]:
        with served(path.parent, given.latency) as (url, name, processes):
            near, remote = [], []
            # In turns, so that both meet the same machine.
            for _ in range(given.repeats):
                near.append(measured(path))
                remote.append(measured(f"{url}/{path.name}", processes))
            assert {run["sum"] for run in near} == {run["sum"] for run in remote}
        files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
        size = sum(p.stat().st_size for p in files)
        best = min(remote, key=lambda run: run["seconds"])
        print(f"{path.name} ({size / 1e6:.0f} MB), {name}, {given.latency * 1000:.0f} ms before each answer:")
        requests, came = best["opening"][0], best["opening"][2 - 1]
        print(f"  opening: {best['open']:.2f} s, {requests} requests, {came / 1e6:.1f} MB")
        for what, label in [("seconds", "open and pass"), ("pass", "pass")]:
            ours, local = least(remote, what), least(near, what)
            alone = ours - best["server"] / cores
            print(f"  {label}: {ours:.2f} s, from the disk {local:.2f} s, {ours / local:.2f} times as long;", end=" ")
            print(f"without the server's processor time {alone / local:.2f} times")
        print(f"  processor: {best['processor']:.2f} s, from the disk {least(near, 'processor'):.2f} s;", end=" ")
        print(f"server {best['server']:.2f} s; {best['traffic'][0]} requests, {best['traffic'][1] / 1e6:.0f} MB")
        print("  " + json.dumps({"near": near, "remote": remote}), file=sys.stderr, flush=True)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    main()
