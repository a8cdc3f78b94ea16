"""The page, in a headless Chromium: what the program with one of each trouble does is there, by name.

    python3 tests/browser/page.py target/debug/examples/troubles [FOLDER for screenshots]

Says so and ends well where there is no Chromium (Debian: apt-get install chromium), unless GANDER_TEST_BROWSER=1.
"""

import os
import re
import subprocess
import sys

from chromium import Chromium, find

# A goroutine's name, the function it is in, and what it does.
TROUBLES = [
    ("left then right", "troubles::take_both", "mutex lock"),
    ("right then left", "troubles::take_both", "mutex lock"),
    ("leaked receiver", "troubles::receive_for_ever", "chan receive"),
    ("hot loop", "troubles::compute_without_end", "running|preempted|runnable"),
    # In the kernel it has no frame pointer to tell of, so who called libc's read is not known: see docs/inspect.md.
    ("stuck in read", "read", "system call"),
    ("waits for second", "troubles::", "join"),
    ("waits for first", "troubles::", "join"),
]


def main(program, shots):
    path = find()
    if not path:
        print("skipped: there is no Chromium here (Debian: apt-get install chromium)")
        return 1 if os.environ.get("GANDER_TEST_BROWSER") == "1" else 0
    child = subprocess.Popen([program, "0"], stdout=subprocess.PIPE, text=True)
    try:
        line = child.stdout.readline()
        url = re.search(r"http://\S+", line)[0]
        with Chromium(path) as browser:
            look(browser, url, shots)
            assert not browser.errors, browser.errors
    finally:
        child.kill()
        child.wait()
    print("the page shows all of it")
    return 0


def look(browser, url, shots):
    def press(view):
        browser.value(f"document.querySelector('[data-view={view}]').click()")

    def shot(name):
        if shots:
            browser.shot(os.path.join(shots, name + ".png"))

    browser.open(url)
    # Three looks: lines have a past then.
    browser.until("history_of.goroutines.length > 2")
    overview = browser.value("document.querySelector('#overview').innerText")
    for text in ["goroutines", "switches a second", "sleep", "mutex lock", "P0", "looks at the poller"]:
        assert text in overview, (text, overview)
    shot("overview")

    press("goroutines")
    browser.until("document.querySelectorAll('#groups details').length > 5")
    whole = browser.value("document.querySelector('#count').innerText")
    assert re.search(r"10,?0\d\d of 10,?0\d\d goroutines", whole), whole
    shot("goroutines")
    for name, function, state in TROUBLES:
        # It may not be where it is wanted at every moment: look again then.
        browser.value(f"filter_by({name!r})")
        wanted = f"/\\[({state})/.test(text) && text.includes({function!r}) && text.includes({name!r})"
        browser.until(f"""(async () => {{
            const found = [...document.querySelectorAll('#groups details')].some((one) => {{
                const text = one.textContent;
                return {wanted};
            }});
            if (!found) await look();
            return found;
        }})()""")
    browser.value("filter_by('10000')")
    browser.value("filter_by('SLEEP')")
    browser.until("/\\b10,?000 × \\[sleep/.test(document.querySelector('#groups').innerText)")
    browser.value("filter_by('take_both')")
    browser.value("document.querySelector('#groups details').open = true")
    shot("filtered")
    browser.value("filter_by('')")

    press("waits")
    browser.until("document.querySelector('#chains .circle') !== null")
    circles = browser.value("document.querySelector('#chains').innerText")
    assert "waits for second" in circles and "a circle" in circles, circles
    shot("waits")

    press("timeline")
    browser.value("record()")
    browser.until("slices.length > 0")
    recorded = browser.value("document.querySelector('#recorded').innerText")
    assert re.search(r"\d+ turns on \d+ tracks", recorded), recorded
    shot("timeline")

    press("profiles")
    assert "go tool pprof" in browser.value("document.querySelector('#command').innerText")
    shot("profiles")

    # Names are text, whatever is in them.
    assert browser.value("document.querySelectorAll('#groups script, #groups img').length") == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None))
