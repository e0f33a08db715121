"""A web server of one file, for tests of what downloads."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def serving(body):
    """A server of these bytes, with its .url; body, cut and ranges may be set while it runs.

    cut     how many bytes it sends before it breaks off, once
    ranges  whether it can go on in the middle of the file
    asked   where the last answer began
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.body, server.cut, server.ranges, server.asked = body, None, True, None
    server.url = f"http://127.0.0.1:{server.server_port}/file.tar.gz"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.asked = int(asked[len("bytes="):-1]) if asked and server.ranges else 0
        rest = server.body[server.asked:]
        self.send_response(206 if server.asked else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if server.cut:
            rest, server.cut = rest[:server.cut], None
        self.wfile.write(rest)

    def log_message(self, *_):
        pass
