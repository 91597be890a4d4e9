"""A static web server whose pages choose their own headers: `python site_server.py PORT FOLDER`.

Beside `page.html` may lie `page.html.headers`, one `Name: value` a line, which are sent with it.
"""

from __future__ import annotations

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(SimpleHTTPRequestHandler):
    """Files of a folder, with the headers that lie beside them."""

    def end_headers(self) -> None:
        """Add the page's own headers to those that the base class made."""
        path = Path(self.translate_path(self.path))
        headers = path.with_name(f"{path.name}.headers")
        if headers.is_file():
            for line in headers.read_text().splitlines():
                name, _, value = line.partition(": ")
                self.send_header(name, value)
        super().end_headers()


def main() -> None:
    """Serve until killed."""
    port, folder = sys.argv[1:]
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), partial(Handler, directory=folder))
    server.serve_forever()


if __name__ == "__main__":
    main()
