"""A web server of one file or a few, for tests of what downloads."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def serving(body=b"", files=None):
    """A server of these bytes, with its .url; all of this may be set while it runs.

    body    what any path leads to that is none of files
    files   {path, such as /31/x.tar.gz: bytes}, below .root
    cut     how many bytes it sends before it breaks off, once
    ranges  whether it can go on in the middle of the file
    asked   where the last answer began
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.body, server.files = body, files or {}
    server.cut, server.ranges, server.asked = None, True, None
    server.root = f"http://127.0.0.1:{server.server_port}"
    server.url = f"{server.root}/file.tar.gz"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        body = server.files.get(self.path, server.body)
        asked = self.headers.get("Range")
        server.asked = int(asked[len("bytes="):-1]) if asked and server.ranges else 0
        rest = body[server.asked:]
        if not body or (server.asked and not rest):
            self.send_response(416 if body else 404)
            self.send_header("Content-Range", f"bytes */{len(body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if server.asked else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if server.cut:
            rest, server.cut = rest[:server.cut], None
        self.wfile.write(rest)

    def log_message(self, *_):
        pass
