"""What a publisher copies to the own site for `data-worker` and `data-sw`, and some that behave oddly."""

from __future__ import annotations

import shutil
from pathlib import Path

import distribute_io
from tests.harness.site import Site

_BUILT = Path(distribute_io.__file__).parent / "client_dist"

# A service worker that says nothing while it saves, and a download worker that asks it five times a second for a sign.
_ODD = {
    "mute-saver.js": """
self.addEventListener("message", (event) => event.data.type === "runs" && event.stopImmediatePropagation());
importScripts("dio-sw.js");
""",
    # As one whose download the visitor has paused in the browser's list: it asks for nothing.
    "paused-saver.js": """
const post = MessagePort.prototype.postMessage;
MessagePort.prototype.postMessage = function (message, ...rest) {
  if (message.type !== "pull") post.call(this, message, ...rest);
};
importScripts("dio-sw.js");
""",
    "hasty-worker.js": """
const later = setTimeout;
self.setTimeout = (callback, delayMs) => later(callback, delayMs === 10_000 ? 200 : delayMs);
importScripts("download-worker.js");
""",
}


def install_workers(site: Site) -> None:
    """Put them all into the site's root."""
    for part in ("dio-sw.js", "download-worker.js"):
        shutil.copy(_BUILT / part, site.folder)
    for name, script in _ODD.items():
        (site.folder / name).write_text(script)
