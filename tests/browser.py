"""A headless Chromium, driven over the WebDriver protocol with the standard library alone."""

import base64
import json
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
CHROMEDRIVER = shutil.which("chromedriver")
_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)
_KEYS = {
    "Tab": "\ue004",
    "Enter": "\ue007",
    "Home": "\ue011",
    "End": "\ue010",
    "ArrowLeft": "\ue012",
    "ArrowUp": "\ue013",
    "ArrowRight": "\ue014",
    "ArrowDown": "\ue015",
}


def missing():
    """What is not installed, in words; an empty string if all is."""
    programs = {"chromium": CHROMIUM, "chromedriver": CHROMEDRIVER}
    return " and ".join(name for name, path in programs.items() if path is None)


class Browser:
    """One window of one browser with a profile of its own; a context manager."""

    def __enter__(self):
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._log = Path(self._profile.name, "driver.log")
        with self._log.open("wb") as log:
            self._driver = subprocess.Popen(
                [CHROMEDRIVER, "--port=0"], stdout=log, stderr=subprocess.STDOUT
            )
        try:
            self._url = f"http://127.0.0.1:{self._port()}"
            flags = [*_FLAGS.split(), f"--user-data-dir={self._profile.name}/profile"]
            options = {
                "browserName": "chrome",
                "goog:chromeOptions": {"binary": CHROMIUM, "args": flags},
                "goog:loggingPrefs": {"browser": "ALL"},
            }
            wanted = {"capabilities": {"alwaysMatch": options}}
            self._url += f"/session/{self._ask('POST', '/session', wanted)['sessionId']}"
            # Without it some versions send no focus events to a page that nobody has clicked.
            self._command("Emulation.setFocusEmulationEnabled", {"enabled": True})
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *error):
        try:
            self._ask("DELETE", "")
        finally:
            self._stop()

    def _stop(self):
        self._driver.kill()
        self._driver.wait()
        self._profile.cleanup()

    def _port(self):
        for _ in range(200):
            text = self._log.read_text("utf-8", "replace")
            if "started successfully on port " in text:
                return int(text.split("started successfully on port ")[1].split(".")[0])
            time.sleep(0.05)
        raise RuntimeError(f"chromedriver did not start: {text}")

    def _ask(self, method, path, body=None):
        data = None if method in ("GET", "DELETE") else json.dumps(body or {}).encode()
        request = urllib.request.Request(self._url + path, data, method=method)
        request.add_header("Content-Type", "application/json")
        # A proxy of the environment has no business on the loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=120) as response:
                return json.load(response)["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise RuntimeError(json.load(error)["value"]["message"]) from None

    def open(self, path):
        self._ask("POST", "/url", {"url": Path(path).resolve().as_uri()})

    def run(self, script, *args):
        """The value that the body of a JavaScript function returns."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(args)})

    def press(self, *keys):
        """Type keys, by name or character, into whatever has the focus."""
        actions = [
            {"type": kind, "value": _KEYS.get(key, key)}
            for key in keys
            for kind in ("keyDown", "keyUp")
        ]
        self._ask("POST", "/actions", {"actions": [{"type": "key", "id": "k", "actions": actions}]})

    def click(self, selector):
        """Click the middle of an element, as a pointer would: something on top of it is hit."""
        found = {"using": "css selector", "value": selector}
        (element,) = self._ask("POST", "/element", found).values()
        self._ask("POST", f"/element/{element}/click")

    def set_device(self, width, height=900, dark=False):
        """The size of the window in pixels, a phone below 500, and the theme it asks for."""
        settings = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self._command("Emulation.setDeviceMetricsOverride", settings)
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._command("Emulation.setEmulatedMedia", {"features": [theme]})

    def screenshot(self, path):
        """The whole page, not only the window, as PNG."""
        shot = self._command("Page.captureScreenshot", {"captureBeyondViewport": True})
        Path(path).write_bytes(base64.b64decode(shot["data"]))

    def _command(self, name, params):
        return self._ask("POST", "/goog/cdp/execute", {"cmd": name, "params": params})

    def log(self):
        """What the console has said since the last call."""
        entries = self._ask("POST", "/se/log", {"type": "browser"})
        return [f"{entry['level']}: {entry['message']}" for entry in entries]
