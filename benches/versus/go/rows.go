package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

func yields(m *measure, size uint64) uint64 {
	const turns = 4
	l := newLatch(turns)
	m.start()
	for range turns {
		go func() {
			for range size / turns {
				runtime.Gosched()
			}
			l.finish(size / turns)
		}()
	}
	sum := l.wait()
	m.stop()
	return sum
}

const batch = 1000

func spawns(m *measure, size uint64) uint64 {
	l := newLatch(batch)
	m.start()
	var sum uint64
	for range size / batch {
		l.state.Store(0)
		for i := range uint64(batch) {
			go func() { l.finish(i) }()
		}
		sum += l.wait()
	}
	m.stop()
	return sum
}

func link(left uint64, l *latch) {
	go func() {
		if left > 1 {
			link(left-1, l)
		} else {
			l.finish(left)
		}
	}()
}

// nested: each starts the next and ends.
func nested(m *measure, size uint64) uint64 {
	l := newLatch(1)
	m.start()
	var sum uint64
	for range size / batch {
		l.state.Store(0)
		link(batch, l)
		sum += l.wait()
	}
	m.stop()
	return sum
}

func pingPong(m *measure, size uint64) uint64 {
	ping, pong := make(chan uint64), make(chan uint64)
	go func() {
		for value := range ping {
			pong <- value + 1
		}
	}()
	m.start()
	var sum uint64
	for range size {
		ping <- 1
		sum += <-pong
	}
	m.stop()
	close(ping)
	return sum
}

// stream goes through a channel with room for 128.
func stream(senders, receivers uint64) func(*measure, uint64) uint64 {
	return func(m *measure, size uint64) uint64 {
		c := make(chan uint64, 128)
		l := newLatch(receivers)
		var sending atomic.Uint64
		sending.Store(senders)
		m.start()
		for range receivers {
			go func() {
				var sum uint64
				for value := range c {
					sum += value
				}
				l.finish(sum)
			}()
		}
		for range senders {
			go func() {
				for i := range size / senders {
					c <- i % 8
				}
				if sending.Add(^uint64(0)) == 0 {
					close(c)
				}
			}()
		}
		sum := l.wait()
		m.stop()
		return sum
	}
}

// sieve is a chain of filters, one a prime; the last prime is the sum.
func sieve(m *measure, size uint64) uint64 {
	m.start()
	all := make(chan uint64)
	go func() {
		for i := uint64(2); ; i++ {
			all <- i
		}
	}()
	c := all
	var prime uint64
	for range size {
		prime = <-c
		next := make(chan uint64)
		go func(prime uint64, numbers <-chan uint64) {
			for i := range numbers {
				if i%prime != 0 {
					next <- i
				}
			}
		}(prime, c)
		c = next
	}
	m.stop()
	return prime
}

func node(up chan<- uint64, number, leaves uint64) {
	if leaves == 1 {
		up <- number
		return
	}
	c := make(chan uint64)
	share := leaves / 10
	for i := range uint64(10) {
		go node(c, number+i*share, share)
	}
	var sum uint64
	for range 10 {
		sum += <-c
	}
	up <- sum
}

// skynet is a tree of tens; each leaf sends its number up, each other node the sum of its ten.
func skynet(m *measure, size uint64) uint64 {
	m.start()
	c := make(chan uint64)
	go node(c, 0, size)
	sum := <-c
	m.stop()
	return sum
}

// ring: ten thousand hand one value on.
func ring(m *measure, size uint64) uint64 {
	const members = 10_000
	first := make(chan uint64)
	c := first
	for range members - 1 {
		next := make(chan uint64)
		go func(input <-chan uint64) {
			for value := range input {
				next <- value + 1
			}
		}(c)
		c = next
	}
	// Once round before the clock starts: each has its stack then.
	first <- 0
	value := <-c
	m.start()
	for range size / members {
		first <- value + 1
		value = <-c
	}
	m.stop()
	return value + 1 - members
}

func senders(count, size uint64) []chan uint64 {
	var all []chan uint64
	for range count {
		c := make(chan uint64)
		go func() {
			for i := range size / count {
				c <- i % 8
			}
		}()
		all = append(all, c)
	}
	return all
}

func select2(m *measure, size uint64) uint64 {
	c := senders(2, size)
	c0, c1 := c[0], c[1]
	m.start()
	var sum uint64
	for range size {
		select {
		case value := <-c0:
			sum += value
		case value := <-c1:
			sum += value
		}
	}
	m.stop()
	return sum
}

func select8(m *measure, size uint64) uint64 {
	c := senders(8, size)
	c0, c1, c2, c3, c4, c5, c6, c7 := c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]
	m.start()
	var sum uint64
	for range size {
		var value uint64
		select {
		case value = <-c0:
		case value = <-c1:
		case value = <-c2:
		case value = <-c3:
		case value = <-c4:
		case value = <-c5:
		case value = <-c6:
		case value = <-c7:
		}
		sum += value
	}
	m.stop()
	return sum
}

func selectDefault(m *measure, size uint64) uint64 {
	c := make(chan uint64, 1)
	m.start()
	var sum uint64
	for range size {
		select {
		case <-c:
		default:
			sum++
		}
	}
	m.stop()
	return sum
}

func selectTimeout(m *measure, size uint64) uint64 {
	c := senders(1, size)[0]
	m.start()
	var sum uint64
	for range size {
		select {
		case value := <-c:
			sum += value
		case <-time.After(10 * time.Second):
			panic("a value comes")
		}
	}
	m.stop()
	return sum
}

// parked: so many wait for a value each; then they get it.
func parked(m *measure, size uint64) uint64 {
	c := make(chan uint64)
	l := newLatch(size)
	var arrived atomic.Uint64
	before := memoryKiB()
	m.start()
	for range size {
		go func() {
			arrived.Add(1)
			l.finish(<-c)
		}()
	}
	for arrived.Load() < size {
		runtime.Gosched()
	}
	m.stop()
	m.note("memory_kib", (memoryKiB()-before)/float64(size))
	m.note("create_wall_ns", float64(m.wallTook.Nanoseconds())/float64(size))
	m.note("create_cpu_ns", float64(m.cpuTook.Nanoseconds())/float64(size))
	m.start()
	for range size {
		c <- 1
	}
	sum := l.wait()
	m.stop()
	return sum
}

func mutex(contenders uint64) func(*measure, uint64) uint64 {
	return func(m *measure, size uint64) uint64 {
		var lock sync.Mutex
		var number uint64
		l := newLatch(contenders)
		m.start()
		for range contenders {
			go func() {
				for range size / contenders {
					lock.Lock()
					number++
					lock.Unlock()
				}
				l.finish(1)
			}()
		}
		l.wait()
		m.stop()
		return number
	}
}

// rwlock: nineteen readings to each write.
func rwlock(m *measure, size uint64) uint64 {
	const contenders, readings = 8, 19
	var lock sync.RWMutex
	var number uint64
	var read atomic.Uint64
	l := newLatch(contenders)
	m.start()
	for range contenders {
		go func() {
			var seen uint64
			for i := range size / contenders {
				if i%(readings+1) == 0 {
					lock.Lock()
					number++
					lock.Unlock()
				} else {
					lock.RLock()
					seen |= number
					lock.RUnlock()
				}
			}
			read.Or(seen)
			l.finish(1)
		}()
	}
	l.wait()
	m.stop()
	return number
}

func timer(m *measure, size uint64) uint64 {
	m.start()
	for range size {
		// Not NewTimer: a timer whose channel nobody waits on is never started.
		if !time.AfterFunc(10*time.Second, func() {}).Stop() {
			panic("it was far away")
		}
	}
	m.stop()
	return size
}

func fib(n uint64) uint64 {
	if n < 2 {
		return n
	}
	first := make(chan uint64, 1)
	go func() { first <- fib(n - 1) }()
	second := fib(n - 2)
	return <-first + second
}

func fibSpawns(n uint64) uint64 {
	if n < 2 {
		return 0
	}
	return 1 + fibSpawns(n-1) + fibSpawns(n-2)
}
