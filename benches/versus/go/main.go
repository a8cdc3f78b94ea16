// Go in the comparison: the rows of ../rows/src/blocking.rs, said in Go.
//
//	versus go ROW PROCS SIZE
//	{"ops":1000000,"wall_ns":15000000,"cpu_ns":15100000,"sum":1000000}
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: versus go ROW PROCS SIZE")
		os.Exit(2)
	}
	row, size := os.Args[2], number(os.Args[4])
	runtime.GOMAXPROCS(int(number(os.Args[3])))
	m := &measure{}
	warm := func(f func(*measure, uint64) uint64) uint64 {
		f(m, max(size/10, 1000))
		return f(m, size)
	}
	var sum uint64
	switch row {
	case "yield":
		sum = warm(yields)
	case "spawn":
		sum = warm(spawns)
	case "nested":
		sum = warm(nested)
	case "ping-pong":
		sum = warm(pingPong)
	case "stream-1-1":
		sum = warm(stream(1, 1))
	case "stream-4-1":
		sum = warm(stream(4, 1))
	case "stream-4-4":
		sum = warm(stream(4, 4))
	case "sieve":
		sum = sieve(m, size)
	case "skynet":
		sum = skynet(m, size)
	case "ring":
		sum = warm(ring)
	case "select-2":
		sum = warm(select2)
	case "select-8":
		sum = warm(select8)
	case "select-default":
		sum = warm(selectDefault)
	case "select-timeout":
		sum = warm(selectTimeout)
	case "parked":
		sum = parked(m, size)
	case "mutex-8":
		sum = warm(mutex(8))
	case "mutex-1000":
		sum = warm(mutex(1000))
	case "rwlock":
		sum = warm(rwlock)
	case "sleepers":
		sum = sleepers(m, size)
	case "timer":
		sum = warm(timer)
	case "fib":
		m.start()
		sum = fib(size)
		m.stop()
		m.answer(fibSpawns(size), sum)
	case "ticker-4":
		ticker(m, 4, size)
	case "ticker-100":
		ticker(m, 100, size)
	case "recursion-cold":
		sum = recursionCold(m, size)
	case "recursion-warm":
		sum = recursionWarm(m, size)
	case "echo", "http":
		listen(row)
	default:
		unsupported("it has no such row")
	}
	m.answer(size, sum)
}

func number(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// A measure is the clock and the line that a program answers with.
type measure struct {
	begin     time.Time
	processor time.Duration
	wallTook  time.Duration
	cpuTook   time.Duration
	figures   []string
}

func (m *measure) start() {
	m.begin, m.processor = time.Now(), processorTime()
}

func (m *measure) stop() {
	m.wallTook, m.cpuTook = time.Since(m.begin), processorTime()-m.processor
}

func (m *measure) note(name string, value float64) {
	m.figures = append(m.figures, fmt.Sprintf(",%q:%f", name, value))
}

func (m *measure) answer(ops, sum uint64) {
	fmt.Printf("{\"ops\":%d,\"wall_ns\":%d,\"cpu_ns\":%d,\"sum\":%d%s}\n",
		ops, m.wallTook.Nanoseconds(), m.cpuTook.Nanoseconds(), sum, strings.Join(m.figures, ""))
	os.Exit(0)
}

func unsupported(why string) {
	fmt.Printf("{\"unsupported\":%q}\n", why)
	os.Exit(0)
}

// processorTime is the user and system time of all threads of this process.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// memoryKiB is resident memory and page tables.
func memoryKiB() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	sum := 0.0
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmRSS:") || strings.HasPrefix(line, "VmPTE:") {
			sum += float64(number(strings.Fields(line)[1]))
		}
	}
	return sum
}

// A latch counts goroutines that have finished, above the sum of what they said; the last one says so.
type latch struct {
	state atomic.Uint64
	count uint64
	done  chan struct{}
}

const one = 1 << 40

func newLatch(count uint64) *latch {
	return &latch{count: count, done: make(chan struct{}, 1)}
}

func (l *latch) finish(value uint64) {
	if l.state.Add(one+value)/one == l.count {
		l.done <- struct{}{}
	}
}

func (l *latch) wait() uint64 {
	<-l.done
	return l.state.Load() % one
}
