"""A web server for tests: files of a folder in ranges, on this machine alone, with the faults that it is told to have.

    python server.py FOLDER [SECONDS [FILE]]

prints its port, or writes it to a file, and ends when its input ends. A request to `/_` answers
with counts as JSON; its query sets faults, which are then those of the requests that follow:

    reset=1        counts start at 0, no faults
    latency=0.02   seconds before each answer
    fail=N         the next N answers have the status `status` (500)
    every=N        so has each Nth answer
    status=503     the status of answers that fail; "reset" breaks the connection, "truncate" sends half of the bytes,
                   "wrong" gives another part than was asked for, "stall" stops in the middle for `stall` seconds
    always=403     the status of all answers
    etag=x         appended to all ETags: all files have changed
    ranges=0       ranges are not known here
    rate=N         bytes a second
    chunked=1      answers come in pieces, without their length
"""

import email.utils
import json
import os
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

PIECE = 1 << 16
NONE = {
    "latency": 0.0, "fail": 0, "every": 0, "status": "500", "always": "", "etag": "", "ranges": 1, "rate": 0,
    "stall": 30.0, "user": "", "chunked": 0,
}  # fmt: skip


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, folder, address=("127.0.0.1", 0)):
        self.folder = os.path.abspath(folder)
        self.lock = threading.Lock()
        self.faults = dict(NONE)
        self.counts = {}
        self.reset()
        super().__init__(address, Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def reset(self):
        with self.lock:
            self.faults = dict(NONE)
            self.counts = {"requests": 0, "bytes": 0, "heads": 0, "paths": {}}

    def set(self, **faults):
        with self.lock:
            for name, value in faults.items():
                self.faults[name] = type(NONE[name])(value)

    def handle_error(self, request, client_address):
        # Connections that the other side ends are no news.
        pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16

    def log_message(self, *_):
        pass

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_HEAD(self):
        self.answer(False)

    def do_GET(self):
        self.answer(True)

    def refuse(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def control(self, query):
        given = dict(parse_qsl(query))
        if given.pop("reset", None):
            self.server.reset()
        self.server.set(**given)
        with self.server.lock:
            body = json.dumps(self.server.counts).encode()
        self.refuse(200, body)

    def answer(self, with_body):
        url = urlsplit(self.path)
        if url.path == "/_":
            return self.control(url.query)
        server = self.server
        with server.lock:
            counts, faults = server.counts, dict(server.faults)
            counts["requests"] += 1
            counts["heads"] += not with_body
            counts["paths"][url.path] = counts["paths"].get(url.path, 0) + 1
            number = counts["requests"]
            failing = faults["fail"] > 0 or (faults["every"] > 0 and number % faults["every"] == 0)
            if faults["fail"] > 0:
                server.faults["fail"] -= 1
        if faults["latency"]:
            time.sleep(faults["latency"])
        how = faults["status"] if failing else ""
        if faults["always"]:
            return self.refuse(int(faults["always"]), b"<Error><Message>secret-of-the-server</Message></Error>")
        if faults["user"] and self.headers.get("Authorization") != faults["user"]:
            return self.refuse(401)
        if how == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.close_connection = True
            self.connection.close()
            return None
        if how.isdigit():
            return self.refuse(int(how))
        path = os.path.normpath(os.path.join(server.folder, unquote(url.path).lstrip("/")))
        if not path.startswith(server.folder) or not os.path.isfile(path):
            return self.refuse(404)
        with open(path, "rb") as file:
            self.give(file, faults, how, with_body)
        return None

    def give(self, file, faults, how, with_body):
        state = os.fstat(file.fileno())
        size = state.st_size
        first, last, status = 0, size - 1, 200
        wanted = self.headers.get("Range", "")
        if wanted.startswith("bytes=") and faults["ranges"]:
            start, _, end = wanted[6:].partition("-")
            first = int(start) if start else max(0, size - int(end))
            last = min(int(end), size - 1) if start and end else size - 1
            status = 206
            if first >= size:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{size}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if how == "wrong" and first > 0:
                first, last = first - 1, last - 1
        n = last - first + 1
        self.send_response(status)
        if faults["chunked"]:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(n))
        self.send_header("ETag", f'"{state.st_mtime_ns:x}-{size:x}{faults["etag"]}"')
        self.send_header("Last-Modified", email.utils.formatdate(state.st_mtime, usegmt=True))
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        if not with_body:
            return
        file.seek(first)
        cut = n // 2 if how in ("truncate", "stall") else n
        sent = 0
        while sent < cut:
            piece = file.read(min(PIECE, cut - sent))
            if not piece:
                break
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if faults["chunked"] else piece)
            sent += len(piece)
            if faults["rate"]:
                self.wfile.flush()
                time.sleep(len(piece) / faults["rate"])
        if faults["chunked"] and cut == n:
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()
        with self.server.lock:
            self.server.counts["bytes"] += sent
        if how == "stall":
            time.sleep(faults["stall"])
        if cut < n:
            self.close_connection = True


def main():
    server = Server(sys.argv[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    if len(sys.argv) > 3:
        with open(sys.argv[3] + ".new", "w") as file:
            file.write(f"{server.server_address[1]}\n")
        os.replace(sys.argv[3] + ".new", sys.argv[3])
    else:
        print(server.server_address[1], flush=True)
    # Ends with who started it, and after a while whatever happens.
    end = time.monotonic() + float(sys.argv[2] if len(sys.argv) > 2 else 600)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    while time.monotonic() < end:
        time.sleep(0.2)


if __name__ == "__main__":
    main()
