"""What is compared: the rows, the peers, and what each row must come to."""

from dataclasses import dataclass
from typing import Callable


@dataclass(frozen=True)
class Figure:
    """One line of the table: a figure out of a row's answer."""

    title: str
    unit: str
    # Where it stands in an answer; the first is what peers are ranked by.
    keys: tuple[str, ...] = ("cpu", "wall")
    # What gander is to reach in shared mode, in the unit, from shared/measure.md; and what no peer could do without.
    target: float | None = None
    floor: str = ""


@dataclass(frozen=True)
class Row:
    name: str
    procs: int
    size: int
    # The sum that every peer must come to.
    sum: Callable[[int], int]
    figures: tuple[Figure, ...]
    # Divided by so much with --quick.
    quick: int = 10
    # The work is a number of operations, and may be less for a slow peer.
    scales: bool = True
    seconds: int = 8


def streamed(size: int) -> int:
    """0 + 1 + ... + 7, again and again."""
    return size // 8 * 28


def one(title, unit, target=None, floor="", keys=("cpu", "wall")):
    return (Figure(title, unit, keys, target, floor),)


LATE = (("late_p50_ms",), ("late_p99_ms",))

ROWS = [
    Row("switch", 1, 20_000_000, lambda n: n, one("resume + suspend, no scheduler", "ns", 2.7, "~2.5: the live registers, two predicted jumps")),
    Row("yield", 1, 4_000_000, lambda n: n, one("yield", "ns", 15, "~8: a switch and two ring operations")),
    Row("spawn", 1, 1_000_000, lambda n: n // 1000 * 499_500, one("spawn + finish, batches of 1000", "ns", 60, "~30: a pooled stack, one cold line")),
    Row("spawn", 2, 1_000_000, lambda n: n // 1000 * 499_500, one("spawn + finish, batches of 1000", "ns", 100, "the same, and a steal for half a ring")),
    Row("nested", 1, 1_000_000, lambda n: n // 1000, one("spawn + finish, each spawns the next", "ns", 120, "~25: a warm stack")),
    Row("ping-pong", 1, 1_000_000, lambda n: 2 * n, one("ping-pong, unbuffered, a round trip", "ns", 60, "~35: two switches, two uncontended locks")),
    Row("ping-pong", 2, 1_000_000, lambda n: 2 * n, one("ping-pong, unbuffered, a round trip", "ns", 80, "the same: both stay on one P")),
    Row("stream-1-1", 1, 4_000_000, streamed, one("room for 128, 1 to 1", "ns", 12, "~6: two uncontended locks")),
    Row("stream-1-1", 2, 4_000_000, streamed, one("room for 128, 1 to 1", "ns", 25)),
    Row("stream-4-1", 2, 4_000_000, streamed, one("room for 128, 4 to 1", "ns", 25)),
    Row("stream-4-4", 2, 4_000_000, streamed, one("room for 128, 4 to 4", "ns", 25)),
    Row("sieve", 1, 2000, lambda n: {2000: 17389, 1000: 7919, 200: 1223}[n], (Figure("prime sieve, 2000 primes", "ms", ("cpu_total_ms", "wall_total_ms"), 100),), scales=False),
    Row("skynet", 1, 1_000_000, lambda n: n * (n - 1) // 2, one("skynet, a million leaves, each", "ns", 300), scales=False, seconds=15),
    Row("ring", 1, 500_000, lambda n: n, one("ring of 10,000, a hop", "ns", 60, "two misses: a cold stack")),
    Row("select-2", 1, 400_000, streamed, one("select of 2, a message", "ns", 100)),
    Row("select-8", 1, 400_000, streamed, one("select of 8, a message", "ns", 150)),
    Row("select-default", 1, 20_000_000, lambda n: n, one("select with default, nothing there", "ns", 2, "one load")),
    Row("select-timeout", 1, 200_000, streamed, one("select with timeout, a message", "ns", 200)),
    Row("parked", 1, 1_000_000, lambda n: n, (
        Figure("a million parked: memory, each", "KiB", ("memory_kib",), 5.0, "4.1: a page and its page table"),
        Figure("a million parked: to create one", "ns", ("create_cpu_ns", "create_wall_ns"), 2000, "~700: one page fault"),
        Figure("a million parked: to wake one", "ns", ("cpu", "wall"), 300),
    ), scales=False, seconds=20),
    Row("mutex-8", 2, 2_000_000, lambda n: n, one("mutex, 8 contenders", "ns", 20)),
    Row("mutex-1000", 2, 2_000_000, lambda n: n, one("mutex, 1000 contenders", "ns", 6)),
    Row("rwlock", 2, 2_000_000, lambda n: n // 20, one("rwlock, 8 contenders, 5 % writes", "ns", 5)),
    Row("sleepers", 2, 100_000, lambda n: n, (
        Figure("100,000 sleepers over 1 s: late, median", "ms", LATE[0]),
        Figure("100,000 sleepers over 1 s: late, 99 of 100", "ms", LATE[1], 0.12),
    ), quick=1, scales=False),
    Row("timer", 1, 1_000_000, lambda n: n, one("timer start + stop", "ns", 50)),
    Row("fib", 1, 27, lambda n: {27: 196418, 20: 6765}[n], one("fork-join Fibonacci of 27, a spawn", "ns", 120), scales=False),
    Row("ticker-4", 2, 200, lambda n: n, (
        Figure("1 ms ticker beside 4 busy loops: late, median", "ms", LATE[0], 0.1, "0.03: a signal and a hand-over"),
        Figure("1 ms ticker beside 4 busy loops: late, 99 of 100", "ms", LATE[1], 0.2),
    ), quick=4, scales=False),
    Row("ticker-100", 2, 200, lambda n: n, (
        Figure("1 ms ticker beside 100 busy loops: late, median", "ms", LATE[0]),
        Figure("1 ms ticker beside 100 busy loops: late, 99 of 100", "ms", LATE[1]),
    ), quick=4, scales=False),
    Row("recursion-cold", 1, 100, lambda n: 10_000 * n, (Figure("10,000 frames of 250 bytes, cold stack", "µs", ("cpu_us", "wall_us"), 700, "610 page faults"),), scales=False),
    Row("recursion-warm", 1, 4000, lambda n: 10_000 * n, (Figure("10,000 frames of 250 bytes, warm stack", "µs", ("cpu_us", "wall_us"), 48, "2.5 MB written and read"),), scales=False),
    Row("echo-64", 1, 100_000, lambda n: n, (
        Figure("TCP echo, 64 connections: server's processor time, a request", "µs", ("server_us",), 5.4, "~4: two system calls"),
        Figure("TCP echo, 64 connections: time, a request", "µs", ("wall_us",)),
    )),
    Row("echo-1000", 1, 100_000, lambda n: n, (
        Figure("TCP echo, 1000 connections: server's processor time, a request", "µs", ("server_us",), 6.1, "~4: two system calls"),
        Figure("TCP echo, 1000 connections: time, a request", "µs", ("wall_us",)),
    )),
    Row("http-64", 1, 100_000, lambda n: n, (
        Figure("HTTP, 64 connections: server's processor time, a request", "µs", ("server_us",), 6.6, "~4: two system calls"),
        Figure("HTTP, 64 connections: time, a request", "µs", ("wall_us",)),
    )),
]

def under_wrk(connections):
    return Row(f"wrk-{connections}", 1, 5, lambda n: n, (
        Figure(f"HTTP under wrk, {connections} connections: server's processor time, a request", "µs", ("server_us",)),
        Figure(f"HTTP under wrk, {connections} connections: time, a request", "µs", ("wall_us",)),
        Figure(f"HTTP under wrk, {connections} connections: late, 99 of 100", "ms", ("late_p99_ms",)),
    ), quick=5, scales=False, seconds=20)


# Only when asked for by name; they want Debian's package wrk. Their size is how many seconds it takes.
MORE_ROWS = [
    Row("http-1000", 1, 100_000, lambda n: n, (
        Figure("HTTP, 1000 connections: server's processor time, a request", "µs", ("server_us",)),
        Figure("HTTP, 1000 connections: time, a request", "µs", ("wall_us",)),
    )),
    under_wrk(64),
    under_wrk(1000),
]
SERVING = ("echo-64", "echo-1000", "http-64", "http-1000", "wrk-64", "wrk-1000")

CHANNELS = ("ping-pong", "stream-1-1", "stream-4-1", "stream-4-4", "sieve", "ring", "select-2", "select-8", "select-default", "select-timeout")
LOCKS = ("mutex-8", "mutex-1000", "rwlock")
# A million threads and thousands of switches between them are nobody's choice: rows that would only time out.
THREADS = ("yield", "spawn", "nested", "ping-pong", "stream-1-1", "stream-4-1", "stream-4-4", "sieve", "select-2", "select-8", "select-default",
           "select-timeout", "parked", *LOCKS, "ticker-4", "ticker-100", "recursion-cold", "recursion-warm", *SERVING)


@dataclass(frozen=True)
class Peer:
    name: str
    program: str
    variant: str
    # None: all but `switch`.
    rows: tuple[str, ...] | None = None
    # It does so many times less of a row whose cost is a figure for each operation: it is that much slower.
    slower: int = 1
    # Whose rows are listed here, this program runs instead.
    other: tuple[str, str, str] | None = None

    def command(self, row: str) -> tuple[str, str] | None:
        """The program and its variant, if this peer is asked for the row at all."""
        if self.other and self.other[0] == row:
            return self.other[1:]
        if row == "switch" if self.rows is None else row not in self.rows:
            return None
        return self.program, self.variant


BARE = ("switch", "parked", "recursion-cold", "recursion-warm")

PEERS = [
    Peer("gander shared", "versus-gander", "shared", other=("switch", "versus-coroutines", "shared")),
    Peer("gander own", "versus-gander", "own", other=("switch", "versus-coroutines", "own")),
    Peer("Go", "versus-go", "go"),
    Peer("tokio", "versus-tokio", "mpsc"),
    Peer("tokio + kanal", "versus-tokio", "kanal", (*CHANNELS, "skynet")),
    Peer("tokio + flume", "versus-tokio", "flume", CHANNELS),
    Peer("tokio + std locks", "versus-tokio", "std", LOCKS),
    Peer("smol", "versus-smol", "smol"),
    Peer("may", "versus-may", "may", slower=4),
    Peer("go-lib", "versus-go-lib", "go-lib", slower=4),
    Peer("open-coroutine", "versus-open-coroutine", "open-coroutine", slower=10),
    Peer("threads", "versus-threads", "std", THREADS, slower=40),
    Peer("threads + crossbeam", "versus-threads", "crossbeam", (*CHANNELS, "parked"), slower=40),
    Peer("threads + kanal", "versus-threads", "kanal", CHANNELS[:4], slower=40),
    Peer("threads + flume", "versus-threads", "flume", CHANNELS[:4], slower=40),
    Peer("corosensei", "versus-coroutines", "corosensei", BARE),
    Peer("generator", "versus-coroutines", "generator", BARE),
]

GANDER = ("gander shared", "gander own")
