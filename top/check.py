"""gander-top, attached to the program with one of each trouble: its frames have them, by name.

    python3 top/check.py target/debug/examples/troubles top/target/debug/gander-top
"""

import re
import subprocess
import sys

program, top = sys.argv[1:]
child = subprocess.Popen([program, "0"], stdout=subprocess.PIPE, text=True)
try:
    addr = re.search(r"http://(\S+)", child.stdout.readline())[1]

    def frames(*more):
        """What it prints; it must be text and nothing that commands a terminal."""
        run = subprocess.run([top, addr, "--once", *more], capture_output=True, text=True, timeout=100)
        assert run.returncode == 0, run.stderr
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", run.stdout), run.stdout
        return run.stdout

    text = frames("--view", "all")
    for wanted in ["10,000 × sleep", "left then right", "mutex lock", "leaked receiver", "chan receive", "hot loop",
                   "stuck in read", "system call", "a circle", "P0", "P1", "Waiting in a queue"]:
        assert wanted in text, f"no {wanted!r} in\n{text}"
    # The talkers and the echo do something all the time.
    rate = re.search(r"a second: switches ([\d,]+)", text)
    assert rate and int(rate[1].replace(",", "")) > 0, text
    woken = re.search(r"woken by it ([\d,]+)", text)
    assert woken, text
    text = frames("--view", "goroutines", "--filter", "TAKE_BOTH")
    assert "2 of 10,0" in text and "leaked receiver" not in text, text
finally:
    child.kill()
    child.wait()

# And nobody is there any more.
run = subprocess.run([top, addr, "--once"], capture_output=True, text=True, timeout=100)
assert run.returncode == 1 and addr in run.stderr, (run.returncode, run.stderr)
print("gander-top shows all of it")
