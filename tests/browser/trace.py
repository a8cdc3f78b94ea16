"""A timeline, against the Trace Event Format: what every event must have, that no track runs two goroutines at once, and that
arrows and regions that end have begun. Some began before the recording does: those are not counted as wrong.

    python3 tests/browser/trace.py trace.json
"""

import json
import sys
from collections import Counter, defaultdict

with open(sys.argv[1], encoding="utf-8") as file:
    trace = json.load(file)
events = trace["traceEvents"]
assert trace["displayTimeUnit"] in ("ms", "ns")

# What each phase needs beside name, ph, pid and tid.
NEEDS = {"X": {"ts", "dur"}, "M": {"args"}, "s": {"ts", "id", "cat"}, "f": {"ts", "id", "cat", "bp"}, "i": {"ts", "s"},
         "b": {"ts", "id", "cat"}, "e": {"ts", "id", "cat"}}
phases, turns, arrows, tracks, polls = Counter(), defaultdict(list), {}, set(), 0
for event in events:
    phase = event["ph"]
    assert phase in NEEDS, event
    for field in {"name", "pid", "tid"} | NEEDS[phase]:
        assert field in event, (field, event)
    assert isinstance(event["name"], str) and event["name"], event
    assert all(isinstance(event.get(field, 0), (int, float)) and event.get(field, 0) >= 0 for field in ("ts", "dur")), event
    phases[phase] += 1
    if phase == "M":
        assert isinstance(event["args"]["name"], str), event
        tracks.add(event["tid"])
    elif phase == "X":
        turns[event["tid"]].append((event["ts"], event["dur"], event["name"]))
    elif phase == "s":
        assert event["id"] not in arrows, event
        arrows[event["id"]] = event["ts"]
    elif phase == "f":
        assert arrows.pop(event["id"]) <= event["ts"] and event["bp"] == "e", event
    elif phase == "i":
        assert event["s"] in "gpt", event
        polls += event["name"].startswith("poll: ")

for track, all_of_it in turns.items():
    assert track in tracks, f"track {track} has no name"
    end = 0
    for ts, dur, name in sorted(all_of_it):
        # Times are written to the nanosecond, in microseconds.
        assert ts + 0.0015 >= end, f"two at once on track {track}: {name} at {ts}, before {end}"
        end = ts + dur
assert phases["X"] > 100 and phases["s"] > 100 and phases["f"] > 50, phases
print(f"{len(events)} events on {len(tracks)} tracks are as they should be: {dict(phases)}, {polls} looks at the poller")
