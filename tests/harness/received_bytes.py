"""What a page receives over WebRTC, by its browser's own count: all that the other ends sent, wanted or not."""

from __future__ import annotations

from typing import Any, Protocol

# Keeps the page's connections, and counts what comes in on all of them: [milliseconds of the clock, bytes]. Seldom as a
# rule: to look costs the browser's network thread, which takes the bytes in; it keeps what it tells for 50 ms anyway.
COUNT_RECEIVED = """
(() => {
  const Real = RTCPeerConnection;
  const all = [];
  window.samples = [];
  window.everyMs = 100;
  window.RTCPeerConnection = class extends Real {
    constructor(...args) { super(...args); all.push(this); this.got = 0; }
  };
  const sample = async () => {
    await Promise.all(all.map(async (connection) => {
      if (["new", "closed"].includes(connection.connectionState)) return;
      for (const report of (await connection.getStats()).values())
        if (report.type === "data-channel") connection.got = Math.max(connection.got, report.bytesReceived);
    }));
    window.samples.push([Date.now(), all.reduce((sum, { got }) => sum + got, 0)]);
  };
  (async () => {
    for (;;) {
      await sample();
      await new Promise((done) => setTimeout(done, window.everyMs));
    }
  })();
})();
"""

Sample = tuple[int, int]
"""Milliseconds of the clock, and bytes by then."""


class Evaluating(Protocol):
    """A page, whichever way it is driven."""

    def evaluate(self, expression: str) -> Any:  # Any: JSON of any shape
        """The value of an expression in it."""


def received(page: Evaluating) -> list[Sample]:
    """What came in until when; the page was opened with `COUNT_RECEIVED`."""
    return [(at, size) for at, size in page.evaluate("samples")]


def rates(found: list[Sample], length_ms: int) -> list[float]:
    """Bytes per second over every stretch of that length."""
    over = []
    for place, (at, size) in enumerate(found):
        later = next(((then, more) for then, more in found[place:] if then - at >= length_ms), None)
        if later is not None:
            over.append(1_000 * (later[1] - size) / (later[0] - at))
    return over


def mean_rate(found: list[Sample], from_ms: int, to_ms: int) -> float:
    """Bytes per second between two moments."""
    within = [(at, size) for at, size in found if from_ms <= at <= to_ms]
    return 1_000 * (within[-1][1] - within[0][1]) / (within[-1][0] - within[0][0])
