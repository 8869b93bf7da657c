// Command game is the loop of a game over Ebb, 60 times a second: the client sends what its player does, the server answers
// with the state of the world, and the client prints how old the answers are.
//
//	game serve localhost:7777
//	game play localhost:7777 10s
//	game show 10s 2       both, with a path of 40 ms between them that loses 2 % of the packets
//
// It shows what a stream costs. Bytes come in order: a packet that is lost holds back those behind it until it has been sent
// again, a round trip or more later, though they are there and newer. The client counts these ticks: their answers come several at once. A game that needs
// the newest state and no older one sends it in datagrams. Where a late state is drawn a few frames later, as in most games of strategy, or what is sent must
// not be lost (chat, inventory, a match's result), a stream does.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"sync"
	"time"

	"example.com/ebb"
)

const (
	tick      = time.Second / 60
	inputSize = 16  // the tick's number, and what the player does
	stateSize = 200 // the tick's number that it answers, and the world
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "game:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: game serve ADDRESS | play ADDRESS DURATION | show DURATION LOSS")

func run(ctx context.Context, args []string, out io.Writer) error {
	switch {
	case len(args) == 2 && args[0] == "serve":
		l, err := ebb.Listen("udp", args[1])
		if err != nil {
			return err
		}
		fmt.Fprintln(out, "serving on", l.Addr())
		return serve(ctx, l)
	case len(args) == 3 && args[0] == "play":
		d, err := time.ParseDuration(args[2])
		if err != nil {
			return err
		}
		return play(ctx, args[1], d, out)
	case len(args) == 3 && args[0] == "show":
		d, err := time.ParseDuration(args[1])
		if err != nil {
			return err
		}
		loss, err := strconv.ParseFloat(args[2], 64)
		if err != nil || loss < 0 || loss >= 100 {
			return fmt.Errorf("a loss of %q: it is a number of percent, 0 or more and less than 100", args[2])
		}
		return show(ctx, d, loss/100, out)
	}
	return errUsage
}

// serve answers every input of every player, until the context is done.
func serve(ctx context.Context, l net.Listener) error {
	var players sync.WaitGroup
	defer players.Wait()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		players.Go(func() {
			defer c.Close()
			stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Now()) })
			defer stop()
			input, state := make([]byte, inputSize), make([]byte, stateSize)
			for {
				if _, err := io.ReadFull(c, input); err != nil {
					return
				}
				copy(state, input[:8]) // the world goes behind it
				if _, err := c.Write(state); err != nil {
					return
				}
			}
		})
	}
}

// play sends an input every tick, and prints what became of them.
func play(ctx context.Context, address string, d time.Duration, out io.Writer) error {
	conn, err := ebb.DialContext(ctx, "udp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })
	defer stop()
	var received sync.WaitGroup
	var came []time.Time
	var readErr error
	received.Go(func() { came, readErr = readStates(conn) })
	var sent []time.Time
	input := make([]byte, inputSize)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for end := time.Now().Add(d); err == nil && time.Now().Before(end); {
		now := <-ticker.C
		binary.BigEndian.PutUint64(input, uint64(len(sent)))
		sent = append(sent, now)
		_, err = conn.Write(input)
	}
	err = errors.Join(err, conn.(*ebb.Conn).CloseWrite())
	received.Wait()
	if err := errors.Join(err, readErr); err != nil {
		return err
	}
	report(out, sent, came)
	i := conn.(*ebb.Conn).Info()
	fmt.Fprintf(out, "%d of %d packets were lost on the way there; round trip %v\n", i.PacketsLost, i.PacketsSent, i.SmoothedRTT.Round(100*time.Microsecond))
	return nil
}

// readStates reads until the server has answered the last input, and returns when each answer came.
func readStates(conn net.Conn) (came []time.Time, err error) {
	state := make([]byte, stateSize)
	for {
		if _, err := io.ReadFull(conn, state); err == io.EOF {
			return came, nil
		} else if err != nil {
			return came, err
		}
		if n := binary.BigEndian.Uint64(state); n != uint64(len(came)) {
			return came, fmt.Errorf("the answer to tick %d came in the place of that to %d", n, len(came))
		}
		came = append(came, time.Now())
	}
}

// report prints how old the answers were. One that came less than a quarter of a tick behind the one before had waited for it.
func report(out io.Writer, sent, came []time.Time) {
	fmt.Fprintf(out, "%d ticks, %d answers\n", len(sent), len(came))
	if len(came) == 0 {
		return
	}
	ages := make([]time.Duration, len(came))
	held, run, longest := 0, 0, 0
	for i := range came {
		ages[i] = came[i].Sub(sent[i])
		if i > 0 && came[i].Sub(came[i-1]) < tick/4 {
			held++
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	slices.Sort(ages)
	at := func(percent int) time.Duration { return ages[(len(ages)-1)*percent/100].Round(100 * time.Microsecond) }
	fmt.Fprintf(out, "latency: median %v, 95 %% %v, 99 %% %v, longest %v\n", at(50), at(95), at(99), at(100))
	fmt.Fprintf(out, "the stream held back %d answers behind an older one, %d in a row at most\n", held, longest)
}

// show plays over a path that is slow and loses packets.
func show(ctx context.Context, d time.Duration, loss float64, out io.Writer) error {
	l, err := ebb.Listen("udp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	path, err := newPath(l.Addr(), 20*time.Millisecond, loss)
	if err != nil {
		l.Close()
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var parts sync.WaitGroup
	parts.Go(func() { err = errors.Join(err, serve(ctx, l)) })
	played := play(ctx, path.front.LocalAddr().String(), d, out)
	cancel()
	parts.Wait()
	path.close()
	return errors.Join(played, err)
}
