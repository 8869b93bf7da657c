package folder

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"example.com/ebb/cmd/ebb/internal/patient"
	"example.com/ebb/cmd/ebb/internal/transfer"
)

// patience is how long a receiver waits for a sender that says first at once, and then says a piece each second, in virtual
// time.
func patience(t *testing.T, r Receiver, first, says []byte, piece int) (took time.Duration, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		root, openErr := os.OpenRoot(t.TempDir())
		if openErr != nil {
			t.Fatal(openErr)
		}
		defer root.Close()
		client, server := net.Pipe()
		r.Root = root
		done := make(chan struct{})
		go io.Copy(io.Discard, client)
		go func() {
			defer close(done)
			client.Write(first)
			synctest.Wait() // what is wanted is known
			for part := range slices.Chunk(says, piece) {
				if _, err := client.Write(part); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		began := time.Now()
		err = r.Receive(context.Background(), server)
		took = time.Since(began)
		server.Close()
		client.Close()
		<-done
	})
	return took, err
}

// A sender has its time to greet, is not silent for longer than a timeout, and brings content at a least rate.
func TestASenderThatDawdlesIsGivenUp(t *testing.T) {
	offer := append(greeting(0), file("a", 1<<20)...)
	content := numbered(nil, frameContent, 0)
	for len(content) < 1<<20 {
		content = append(content, dataFrame(make([]byte, 500))...)
	}
	limits := Receiver{Greeting: 30 * time.Second, Timeout: 2 * time.Minute, MinRate: 1000}
	for _, test := range []struct {
		name     string
		first    []byte
		says     []byte
		piece    int
		want     time.Duration // about
		slow     bool
		stranger bool
	}{
		{"nothing", nil, nil, 1, 30 * time.Second, false, true},
		{"no greeting in time", nil, []byte("ebb"), 1, 30 * time.Second, false, true},
		{"nothing behind the greeting", greeting(0), nil, 100, 2 * time.Minute, false, true},
		{"an entry a byte at a time", greeting(0), file("a", 1), 1, 2 * time.Minute, true, false},
		{"slow content", offer, content, 900, time.Minute, true, false},
	} {
		took, err := patience(t, limits, test.first, test.says, test.piece)
		if took < test.want || took > test.want+100*time.Second || err == nil {
			t.Errorf("%s: after %v: %v", test.name, took, err)
		}
		if slow := new(patient.SlowError); errors.As(err, &slow) != test.slow || errors.Is(err, transfer.ErrNoSender) != test.stranger {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	if took, err := patience(t, limits, offer, content, 2000); took < 9*time.Minute {
		t.Errorf("content at twice the least rate is given up before its end, after %v: %v", took, err)
	}
}
