package folder

import (
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var long = flag.Bool("long", false, "run tests at full scale")

// piece is bytes on a line, and when the last of them arrives.
type piece struct {
	b  []byte
	at time.Time
}

// carry is one direction of a line: so many bytes per second, each of which is on its way for delay.
func carry(from io.Reader, to io.WriteCloser, rate int, delay time.Duration, group *sync.WaitGroup) {
	onTheWay := make(chan piece, 64)
	group.Go(func() {
		defer close(onTheWay)
		var free time.Time // when the line has sent what it was given
		for {
			b := make([]byte, 16<<10)
			n, err := from.Read(b)
			if n > 0 {
				if now := time.Now(); free.Before(now) {
					free = now
				}
				free = free.Add(time.Duration(n) * time.Second / time.Duration(rate))
				onTheWay <- piece{b[:n], free.Add(delay)}
			}
			if err != nil {
				return
			}
		}
	})
	group.Go(func() {
		defer to.Close()
		for p := range onTheWay {
			time.Sleep(time.Until(p.at))
			to.Write(p.b)
		}
	})
}

// overLine is how long a session takes over a line, in virtual time, and the session.
func overLine(t *testing.T, rate int, roundTrip time.Duration, r *run, to string, from ...string) (took time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		client, near := net.Pipe()
		far, server := net.Pipe()
		var group sync.WaitGroup
		carry(near, far, rate, roundTrip/2, &group)
		carry(far, near, rate, roundTrip/2, &group)
		began := time.Now()
		r.over(t, client, server, to, from...)
		took = time.Since(began)
		group.Wait()
	})
	if r.sendErr != nil || r.receiveErr != nil {
		t.Fatalf("send: %v, receive: %v", r.sendErr, r.receiveErr)
	}
	return took
}

// Many small files take the time of their bytes: no round trip each, whatever the rate. So does a run that finds all of them
// there.
func TestManySmallFilesTakeNoRoundTripEach(t *testing.T) {
	const files, size, roundTrip = 2000, 4096, 50 * time.Millisecond
	many, one := filepath.Join(t.TempDir(), "many"), filepath.Join(t.TempDir(), "one")
	content := randomBytes(files * size)
	write(t, filepath.Join(one, "file"), content)
	for i := range files {
		name := filepath.Join(many, fmt.Sprint("folder ", i%20), fmt.Sprint("file ", i))
		write(t, name, content[i*size:(i+1)*size])
	}
	rates := []int{12_500_000}
	if *long {
		rates = []int{1_250_000, 2_500_000, 12_500_000, 125_000_000}
	}
	for _, rate := range rates {
		to := t.TempDir()
		single := overLine(t, rate, roundTrip, new(run), to, one)
		first := overLine(t, rate, roundTrip, new(run), to, many)
		again := overLine(t, rate, roundTrip, new(run), to, many)
		t.Logf("%d bytes/s: one file of %d bytes %v, %d files %v, again %v", rate, files*size, single, files, first, again)
		if first > 3*single {
			t.Errorf("%d bytes/s: %d files of %d bytes take %v, one of their size %v", rate, files, size, first, single)
		}
		if again > 10*roundTrip {
			t.Errorf("%d bytes/s: it takes %v to find that nothing has changed", rate, again)
		}
		if got, err := os.ReadFile(filepath.Join(to, "many", "folder 19", "file 1999")); err != nil || string(got) != string(content[1999*size:]) {
			t.Errorf("the last file is another: %v", err)
		}
	}
}
