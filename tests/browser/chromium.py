"""A headless Chromium, driven over a pipe by the DevTools protocol: no driver and no package is needed."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

NAMES = ["chromium", "chromium-browser", "google-chrome"]
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update",
    "--disable-background-networking", "--disable-sync", "--hide-scrollbars", "--remote-debugging-pipe",
]


def find():
    """Where it is; None: there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Chromium:
    """One tab of one browser. Ends with the `with` block."""

    def __init__(self, path, width=1200, height=800):
        self.profile = tempfile.TemporaryDirectory(prefix="gander-chromium-", ignore_cleanup_errors=True)
        # It reads commands from its descriptor 3 and answers on 4.
        theirs_in, self.to = os.pipe()
        self.answers, theirs_out = os.pipe()
        # Out of the way of 3 and 4, which one of them may be.
        theirs = [os.dup2(fd, 100 + i, inheritable=True) for i, fd in enumerate((theirs_in, theirs_out))]
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            ["bash", "-c", 'exec "$0" "$@" 3<&100 4>&101', path, *FLAGS, f"--window-size={width},{height}",
             f"--user-data-dir={self.profile.name}", "about:blank"],
            pass_fds=theirs, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        for fd in (theirs_in, theirs_out, *theirs):
            os.close(fd)
        self.buffer, self.last, self.session, self.errors = b"", 0, None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Page.enable")
        self.call("Runtime.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.profile.cleanup()

    def read(self, until):
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.answers], [], [], max(0, until - time.monotonic()))
            piece = os.read(self.answers, 1 << 16) if ready else b""
            if not piece:
                self.log.seek(0)
                raise RuntimeError(f"Chromium does not answer:\n{self.log.read().decode(errors='replace')[-4000:]}")
            self.buffer += piece
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, seconds=120, **params):
        """Calls a method of the protocol; what the page throws meanwhile is kept in `errors`."""
        self.last += 1
        message = {"id": self.last, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + seconds
        while True:
            answer = self.read(until)
            if answer.get("method") == "Runtime.exceptionThrown":
                self.errors.append(answer["params"]["exceptionDetails"])
            if answer.get("id") == self.last:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def value(self, script):
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def until(self, script, seconds=90):
        """Waits until it is true."""
        end = time.monotonic() + seconds
        while not self.value(script):
            if time.monotonic() > end:
                raise AssertionError(f"never came to be: {script}\n{self.value('document.body.innerText')[:8000]}")
            time.sleep(0.1)

    def shot(self, path):
        picture = self.call("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(picture))
