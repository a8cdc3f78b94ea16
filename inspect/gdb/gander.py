"""gdb commands for programs that use gander: what the goroutines are doing, in a live process or a core file.

    (gdb) source inspect/gdb/gander.py
    (gdb) info goroutines
    (gdb) goroutine 7 bt
    (gdb) goroutine all bt

It reads memory and nothing else: neither the program's types nor the program itself are needed, so it works on release
builds, with a process that hangs, and on core files (which must have the stacks: the default of /proc/self/coredump_filter
does). What lies where it learns from the symbol gander_debugger_v1 (runtime/src/inspect/debugger.rs).
"""

import re

import gdb
import gdb.unwinder

STATES = ["dead", "runnable", "running", "waiting", "preempted"]
REGISTERS = {"i386:x86-64": ("rip", "rsp", "rbp"), "aarch64": ("pc", "sp", "x29")}


def memory(address, size):
    return bytes(gdb.selected_inferior().read_memory(address, size))


def word(address, size=8):
    return int.from_bytes(memory(address, size), "little")


class Description:
    FIELDS = """version directory block_bytes block_align header_bytes header_align id parent state reason name m pc sp fp
                tid words words_len""".split()

    def __init__(self):
        # Printed, not evaluated: the language may be any, and the symbol has no type.
        text = gdb.execute("info address gander_debugger_v1", to_string=True)
        place = re.search(r"0x[0-9a-f]+", text)
        if not place:
            raise gdb.GdbError("no gander in this program (symbol gander_debugger_v1 is not there)")
        address = int(place.group(), 16)
        for i, field in enumerate(self.FIELDS):
            setattr(self, field, word(address + 8 * i))
        if self.version != 1:
            raise gdb.GdbError("this program has version %d of gander's layout, and this script knows 1" % self.version)
        self.reasons = memory(self.words, self.words_len).decode().split("\n") if self.words else []


class Goroutine:
    def __init__(self, description, at):
        self.id = word(at + description.id)
        self.parent = word(at + description.parent)
        self.state = word(at + description.state, 1)
        self.reason = word(at + description.reason, 1)
        self.pc, self.sp, self.fp = (word(at + offset) for offset in (description.pc, description.sp, description.fp))
        name, length = word(at + description.name), word(at + description.name + 8)
        self.name = memory(name, length).decode(errors="replace") if name and length <= 128 else None
        m = word(at + description.m)
        self.tid = word(m + description.tid, 4) if m else 0
        reasons = description.reasons
        self.doing = STATES[self.state]
        if self.doing == "waiting" and self.reason < len(reasons):
            self.doing = reasons[self.reason]
        elif self.doing == "running" and self.reason < len(reasons) and reasons[self.reason] == "blocking call":
            self.doing = reasons[self.reason]

    def title(self):
        name = ' "%s"' % self.name if self.name else ""
        parent = "by goroutine %d" % self.parent if self.parent else "by a thread"
        return "goroutine %d%s [%s], created %s" % (self.id, name, self.doing, parent)

    def rests(self):
        """Whether its registers are in its header; else it is on a thread, preempted ones in the signal handler there."""
        return self.doing not in ("running", "blocking call", "preempted")


def goroutines():
    """Walks the tables of stacks, as the runtime does."""
    description = Description()
    align_down = lambda at, align: at & ~(align - 1)
    entry = description.directory
    found = []
    while True:
        base, slot_bytes, guard_bytes, table, reached = (word(entry + 8 * i) for i in range(5))
        if not base:
            break
        count = word(reached, 4)
        slots = memory(table, 16 * count) if count else b""
        for slot in range(count):
            tag = int.from_bytes(slots[16 * slot : 16 * slot + 8], "little")
            state = int.from_bytes(slots[16 * slot + 12 : 16 * slot + 16], "little")
            # Handed out once, and not in the pool.
            if state & 1 == 0 or state & 2:
                continue
            # As `Layout::top`: stacks begin on different cache lines.
            top = base + (slot + 1) * slot_bytes - slot % 24 * 64
            if description.block_bytes:
                if not tag:
                    continue
                top = align_down(top, description.block_align) - description.block_bytes
            at = align_down(top - description.header_bytes, description.header_align)
            try:
                if 0 < word(at + description.state, 1) < len(STATES):
                    found.append(Goroutine(description, at))
            except gdb.MemoryError:
                continue
        entry += 40
    return sorted(found, key=lambda goroutine: goroutine.id)


class AtRest(gdb.unwinder.Unwinder):
    """While `goroutine` is set, the innermost frame of the selected thread is followed by that goroutine's frames."""

    def __init__(self):
        super().__init__("gander goroutine at rest")
        self.goroutine = None
        self.innermost = None

    def __call__(self, pending):
        if self.goroutine is None:
            return None
        pc, sp, fp = REGISTERS[pending.architecture().name()]
        here = (int(pending.read_register(pc)), int(pending.read_register(sp)))
        if here != self.innermost:
            return None
        types = [pending.read_register(name).type for name in (pc, sp, fp)]
        info = pending.create_unwind_info(FrameId(pending.read_register(sp), pending.read_register(pc)))
        values = (self.goroutine.pc, self.goroutine.sp, self.goroutine.fp)
        for name, value, kind in zip((pc, sp, fp), values, types):
            info.add_saved_register(name, gdb.Value(value).cast(kind))
        return info


class FrameId:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


AT_REST = AtRest()
gdb.unwinder.register_unwinder(None, AT_REST, replace=True)


def on_stack_of(goroutine, command):
    """What a command prints on a goroutine's stack. Without the innermost frame, which is the thread's."""
    if not goroutine.rests():
        for thread in gdb.selected_inferior().threads():
            if thread.ptid[1] == goroutine.tid:
                before = gdb.selected_thread()
                thread.switch()
                try:
                    return gdb.execute(command, to_string=True)
                finally:
                    before.switch()
        return "its thread is not there\n"
    gdb.newest_frame().select()
    pc, sp, _ = REGISTERS[gdb.newest_frame().architecture().name()]
    AT_REST.innermost = tuple(int(gdb.newest_frame().read_register(name)) & (1 << 64) - 1 for name in (pc, sp))
    AT_REST.goroutine = goroutine
    gdb.invalidate_cached_frames()
    try:
        text = gdb.execute(command, to_string=True)
    finally:
        AT_REST.goroutine = None
        gdb.invalidate_cached_frames()
    lines = text.splitlines(keepends=True)
    following = [i for i, line in enumerate(lines) if line.startswith("#1 ")]
    return "".join(lines[following[0] :]) if following else text


class InfoGoroutines(gdb.Command):
    """List all goroutines: number, name, what they are doing."""

    def __init__(self):
        super().__init__("info goroutines", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        for goroutine in goroutines():
            print(goroutine.title())


class OfGoroutine(gdb.Command):
    """goroutine N COMMAND: execute COMMAND (bt, for example) on the stack of goroutine N; "all" for each of them."""

    def __init__(self):
        super().__init__("goroutine", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        number, _, command = argument.partition(" ")
        if not command:
            raise gdb.GdbError("goroutine N COMMAND, or goroutine all COMMAND")
        chosen = [g for g in goroutines() if number == "all" or str(g.id) == number]
        if not chosen:
            raise gdb.GdbError("there is no goroutine %s" % number)
        for goroutine in chosen:
            print(goroutine.title())
            print(on_stack_of(goroutine, command))


InfoGoroutines()
OfGoroutine()
