package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// noteLateness says below what half and 99 of 100 lie, in milliseconds.
func noteLateness(m *measure, nanos []int64) {
	slices.Sort(nanos)
	at := func(percent int) float64 {
		return float64(nanos[min(len(nanos)*percent/100, len(nanos)-1)]) / 1e6
	}
	m.note("late_p50_ms", at(50))
	m.note("late_p99_ms", at(99))
}

func sleepers(m *measure, size uint64) uint64 {
	l := newLatch(size)
	late := make([]int64, size)
	m.start()
	for i := range size {
		go func() {
			// Spread over one second.
			d := time.Duration(i*2_654_435_761%1_000_000) * time.Microsecond
			until := time.Now().Add(d)
			time.Sleep(d)
			late[i] = time.Since(until).Nanoseconds()
			l.finish(1)
		}()
	}
	sum := l.wait()
	m.stop()
	noteLateness(m, late)
	return sum
}

var stop atomic.Bool
var sink atomic.Uint64

// ticker: one sleeps a millisecond again and again while others compute without ever waiting.
func ticker(m *measure, busy, size uint64) {
	var lock sync.Mutex
	var late []int64
	done := make(chan struct{})
	m.start()
	for range busy {
		go func() {
			var i uint64
			for !stop.Load() {
				i++
			}
			sink.Add(i)
		}()
	}
	go func() {
		for range size {
			begin := time.Now()
			time.Sleep(time.Millisecond)
			lock.Lock()
			late = append(late, max(time.Since(begin)-time.Millisecond, 0).Nanoseconds())
			lock.Unlock()
		}
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
	}
	m.stop()
	lock.Lock()
	if uint64(len(late)) < size/10 {
		unsupported(fmt.Sprintf("starves: %d of %d ticks", len(late), size))
	}
	m.note("ticks", float64(len(late)))
	ops := uint64(len(late))
	noteLateness(m, late)
	m.answer(ops, size)
}

// recurse calls itself, in frames of some 250 bytes each.
//
//go:noinline
func recurse(depth uint64) uint64 {
	var frame [25]uint64
	touch(&frame, depth)
	if depth == 0 {
		return 0
	}
	return recurse(depth-1) + 1 + (frame[7] - depth)
}

//go:noinline
func touch(frame *[25]uint64, depth uint64) {
	for i := range frame {
		frame[i] = depth
	}
}

const frames = 10_000

// recursionCold: each on a stack that was never used before; nobody ends before all have been as deep.
func recursionCold(m *measure, size uint64) uint64 {
	l := newLatch(size)
	never := make(chan struct{})
	m.start()
	for range size {
		go func() {
			l.finish(recurse(frames))
			<-never
		}()
	}
	sum := l.wait()
	m.stop()
	runtime.KeepAlive(never)
	return sum
}

// recursionWarm: again and again on one stack.
func recursionWarm(m *measure, size uint64) uint64 {
	begun := make(chan uint64)
	l := newLatch(1)
	go func() {
		begun <- recurse(frames)
		var sum uint64
		for range size {
			sum += recurse(frames)
		}
		l.finish(sum)
	}()
	<-begun
	m.start()
	sum := l.wait()
	m.stop()
	return sum
}

const page = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nContent-Type: text/plain\r\n\r\nHello, World!"

// listen accepts connections for ever and serves each in a goroutine of its own.
func listen(service string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("PORT %d\n", listener.Addr().(*net.TCPAddr).Port)
	os.Stdout.Sync()
	for {
		stream, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go serve(service, stream)
	}
}

func serve(service string, stream net.Conn) {
	defer stream.Close()
	buffer := make([]byte, 1024)
	filled := 0
	for {
		count, err := stream.Read(buffer[filled:])
		if err != nil {
			return
		}
		filled += count
		answer := buffer[:filled]
		if service == "http" {
			if !bytes.HasSuffix(answer, []byte("\r\n\r\n")) {
				continue
			}
			answer = []byte(page)
		}
		if _, err := stream.Write(answer); err != nil {
			return
		}
		filled = 0
	}
}
