// Command example is a node of a peer-to-peer network: a chat without a server, whose peers meet over Ebb.
//
//	go run ./example                                    the first node; it prints its addresses
//	go run ./example /ip4/192.0.2.1/udp/4001/ebb/p2p/…  another one, which knows an address of one that is there
//
// What is typed at one node all others print, also those that know nobody in common: gossipsub passes messages on from neighbour to neighbour. Who
// said a line is known by the key that its message is signed with.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"example.com/ebb"
	"example.com/ebb/interop/libp2pebb"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "example:", err)
		os.Exit(1)
	}
}

// topic is what all nodes listen to.
const topic = "/ebb/example/chat"

// connectTimeout bounds the dial of one peer.
const connectTimeout = 20 * time.Second

// run is the node, until the input or the context ends.
func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("example", flag.ContinueOnError)
	flags.SetOutput(out)
	listen := flags.String("listen", "/ip4/0.0.0.0/udp/0/ebb", "the address to listen on")
	rate := flags.Int64("rate", 1e6, "bytes per second that a connection sends at most")
	if err := flags.Parse(args); err != nil {
		return err
	}
	n, err := start(ctx, *listen, *rate)
	if err != nil {
		return err
	}
	defer n.close()
	for _, a := range n.addresses() {
		fmt.Fprintln(out, a)
	}
	for _, address := range flags.Args() {
		if err := n.connect(ctx, address); err != nil {
			return fmt.Errorf("%s: %w", address, err)
		}
	}
	return n.chat(ctx, in, out)
}

// node is a host with the topic.
type node struct {
	host  host.Host
	topic *pubsub.Topic
	heard *pubsub.Subscription
}

// start makes a node that no other knows yet. Ebb is its only transport: libp2p adds Noise for who is who, and yamux for streams.
func start(ctx context.Context, listen string, rate int64) (*node, error) {
	config := &ebb.Config{BandwidthLimit: rate}
	h, err := libp2p.New(libp2p.Transport(libp2pebb.New, libp2pebb.WithConfig(config)), libp2p.ListenAddrStrings(listen), libp2p.DisableRelay())
	if err != nil {
		return nil, err
	}
	n := &node{host: h}
	if err := n.join(ctx); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return n, nil
}

func (n *node) join(ctx context.Context) error {
	ps, err := pubsub.NewGossipSub(ctx, n.host)
	if err != nil {
		return err
	}
	if n.topic, err = ps.Join(topic); err != nil {
		return err
	}
	n.heard, err = n.topic.Subscribe()
	return err
}

// addresses is what other nodes connect to.
func (n *node) addresses() []string {
	addrs, err := peer.AddrInfoToP2pAddrs(&peer.AddrInfo{ID: n.host.ID(), Addrs: n.host.Addrs()})
	if err != nil {
		return nil // it has no address that others reach
	}
	all := make([]string, len(addrs))
	for i, a := range addrs {
		all[i] = a.String()
	}
	return all
}

// connect makes another node a neighbour.
func (n *node) connect(ctx context.Context, address string) error {
	info, err := peer.AddrInfoFromString(address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	return n.host.Connect(ctx, *info)
}

// chat prints what others say and tells them each line of the input, until one of the two ends.
func (n *node) chat(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	var hears sync.WaitGroup
	hears.Go(func() { n.hear(ctx, out) })
	defer hears.Wait()
	defer cancel()
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if err := n.topic.Publish(ctx, lines.Bytes()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// hear prints what others say, until the context ends.
func (n *node) hear(ctx context.Context, out io.Writer) {
	for {
		m, err := n.heard.Next(ctx)
		if err != nil {
			return
		}
		if from := m.GetFrom(); from != n.host.ID() {
			fmt.Fprintf(out, "%s: %q\n", from.ShortString(), m.Data)
		}
	}
}

// close ends the node, and waits for the last words of its connections.
func (n *node) close() {
	n.heard.Cancel()
	n.topic.Close()
	n.host.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	ebb.Drain(ctx) // an error is of a peer that is gone
}
