"""A headless Chromium, spoken to through its debugging pipe, to look at a page as a reader does."""

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
                None)
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
           "--no-first-run", "--disable-background-networking", "--disable-component-update",
           "--disable-sync", "--hide-scrollbars", "--remote-debugging-pipe")


class Browser:
    """with Browser(profile) as browser: browser.open(path, width, dark); browser.value(script)"""

    def __init__(self, profile):
        self.profile, self.events, self._number = profile, [], 0

    def __enter__(self):
        here, theirs = os.pipe(), os.pipe()
        for end in (here[0], theirs[1]):
            os.set_inheritable(end, True)
        # Chromium reads commands from descriptor 3 and writes answers to 4.
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{here[0]} 4>&{theirs[1]}', "-", CHROMIUM, *OPTIONS,
             f"--user-data-dir={self.profile}", "about:blank"], pass_fds=(here[0], theirs[1]),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(here[0])
        os.close(theirs[1])
        self._to, self._from, self._rest = here[1], theirs[0], b""
        page = next(t for t in self.call("Target.getTargets", session=None)["targetInfos"]
                    if t["type"] == "page")
        self.session = None
        self.session = self.call("Target.attachToTarget", targetId=page["targetId"],
                                 flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_):
        try:
            self.call("Browser.close", session=None)
            self.process.wait(10)
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self._to)
        os.close(self._from)

    def open(self, path, width=1280, dark=False, height=900):
        """Show a file in a window of a width in CSS pixels, and wait until it is there."""
        self.events.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.call("Page.navigate", url=Path(path).resolve().as_uri())
        while not any(e["method"] == "Page.loadEventFired" for e in self.events):
            self._take()

    def value(self, script):
        """The value of a JavaScript expression in the page."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True,
                           awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def complaints(self):
        """What the page wrote to the console or what the browser has to say of it."""
        return [e["params"] for e in self.events if e["method"] in (
            "Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")]

    def requests(self):
        """URLs that were asked for, but for those that carry their own content."""
        return [url for e in self.events if e["method"] == "Network.requestWillBeSent"
                for url in [e["params"]["request"]["url"]] if not url.startswith("data:")]

    def screenshot(self, path, clip=None):
        """PNG of the window, or of clip: (x, y, width, height) in CSS pixels of the page."""
        where = {} if clip is None else {"captureBeyondViewport": True, "clip": dict(
            zip(("x", "y", "width", "height", "scale"), (*clip, 1), strict=True))}
        Path(path).write_bytes(base64.b64decode(
            self.call("Page.captureScreenshot", format="png", **where)["data"]))

    def call(self, method, **params):
        self._number += 1
        number = self._number
        message = {"id": number, "method": method}
        if params.pop("session", True) and getattr(self, "session", None):
            message["sessionId"] = self.session
        os.write(self._to, json.dumps(message | {"params": params}).encode() + b"\0")
        while True:
            answer = self._take()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def _take(self, seconds=60):
        end = time.monotonic() + seconds
        while b"\0" not in self._rest:
            assert time.monotonic() < end, "the browser does not answer"
            part = os.read(self._from, 1 << 20)
            assert part, "the browser is gone"
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\0")
        answer = json.loads(line)
        if "method" in answer:
            self.events.append(answer)
        return answer
