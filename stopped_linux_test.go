package ebb_test

import (
	"fmt"
	"io"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/ebb"
)

// TestStoppedProcess: a child that is stopped for twice its idle and linger timeouts loses nothing of what it was
// delivering, and its idle connections work as before.
func TestStoppedProcess(t *testing.T) {
	patient := &ebb.Config{IdleTimeout: 10 * time.Minute}
	l := listen(t, patient)
	child, _ := startRole(t, "stopped "+l.Addr().String())
	var conns [stoppedConns]*ebb.Conn
	for i := range conns {
		conns[i] = accept(t, l)
		conns[i].SetDeadline(time.Now().Add(time.Minute))
		if _, err := io.ReadFull(conns[i], make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	child.Process.Signal(syscall.SIGSTOP)
	time.Sleep(2 * stoppedTimeout) // real time is what is tested
	child.Process.Signal(syscall.SIGCONT)

	var group sync.WaitGroup
	for i, c := range conns {
		group.Go(func() {
			defer c.Close()
			if i%2 == 0 { // idle so far
				fmt.Fprint(c, "hello")
			}
			got, err := io.ReadAll(c)
			if want := stoppedRest(i); len(got) != want || err != nil {
				t.Errorf("connection %d: %d bytes of %d, %v", i, len(got), want, err)
			}
		})
	}
	group.Wait()
	if err := child.Wait(); err != nil {
		t.Errorf("the child: %v", err)
	}
}
