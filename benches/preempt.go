// What benches/preempt.rs measures, in Go: LOOPS busy loops and a 1 ms ticker for MILLIS. Prints each lateness in ns.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
)

func main() {
	loops, _ := strconv.Atoi(os.Args[1])
	millis, _ := strconv.Atoi(os.Args[2])
	runtime.GOMAXPROCS(2)
	var sink [1024]uint64
	for i := 0; i < loops; i++ {
		go func(i int) {
			for x := uint64(1); ; x = x*6364136223846793005 + 1 {
				sink[i] = x
			}
		}(i)
	}
	time.Sleep(300 * time.Millisecond)
	late := make([]time.Duration, 0, millis)
	end := time.Now().Add(time.Duration(millis) * time.Millisecond)
	for due := time.Now().Add(time.Millisecond); due.Before(end); due = due.Add(time.Millisecond) {
		time.Sleep(time.Until(due))
		late = append(late, time.Since(due))
		if now := time.Now(); now.After(due) {
			due = now
		}
	}
	out := bufio.NewWriter(os.Stdout)
	for _, l := range late {
		fmt.Fprintln(out, l.Nanoseconds())
	}
	out.Flush()
	os.Exit(0)
}
