package libp2pebb_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"example.com/ebb/interop/libp2pebb"
)

// patience is how long what has to happen may take.
const patience = 2 * time.Minute

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(patience); !so(); {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s does not happen within %s", what, patience)
		}
	}
}

// hosts are five of libp2p that have no transport but Ebb's. Each knows the next one, and no other.
func hosts(t *testing.T) []host.Host {
	t.Helper()
	var o []any
	for _, option := range options(t) {
		o = append(o, option)
	}
	all := make([]host.Host, 5)
	for i := range all {
		h, err := libp2p.New(libp2p.Transport(libp2pebb.New, o...), libp2p.ListenAddrStrings(anyPort), libp2p.DisableRelay())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Close() })
		all[i] = h
	}
	return all
}

// chained connects each host with the next one.
func chained(t *testing.T, all []host.Host) {
	t.Helper()
	for i := range len(all) - 1 {
		if err := all[i].Connect(within(t), peer.AddrInfo{ID: all[i+1].ID(), Addrs: all[i+1].Addrs()}); err != nil {
			t.Fatal(err)
		}
	}
	for _, h := range all {
		for _, c := range h.Network().Conns() {
			if _, err := c.RemoteMultiaddr().ValueForProtocol(libp2pebb.Code); err != nil {
				t.Errorf("a connection to %s: %v", c.RemoteMultiaddr(), err)
			}
		}
	}
}

// TestStreams: bytes both ways on many streams of two hosts.
func TestStreams(t *testing.T) {
	all := hosts(t)[:2]
	all[1].SetStreamHandler("/echo", func(s network.Stream) {
		defer s.Close()
		var b bytes.Buffer
		if _, err := b.ReadFrom(s); err == nil {
			b.WriteTo(s)
		}
	})
	chained(t, all)
	ends := make(chan error)
	for i := range 50 {
		go func() { ends <- echoed(all[0], all[1].ID(), bytes.Repeat([]byte{byte(i)}, 1000*i)) }()
	}
	for range 50 {
		if err := <-ends; err != nil {
			t.Error(err)
		}
	}
}

func echoed(h host.Host, to peer.ID, sent []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := h.NewStream(ctx, to, "/echo")
	if err != nil {
		return err
	}
	defer s.Reset()
	if _, err := s.Write(sent); err != nil {
		return err
	}
	if err := s.CloseWrite(); err != nil {
		return err
	}
	var got bytes.Buffer
	if _, err := got.ReadFrom(s); err != nil || !bytes.Equal(got.Bytes(), sent) {
		return fmt.Errorf("%d bytes of %d came back: %v", got.Len(), len(sent), err)
	}
	return nil
}

// anything is a validator of records that takes all of them.
type anything struct{}

func (anything) Validate(string, []byte) error        { return nil }
func (anything) Select(string, [][]byte) (int, error) { return 0, nil }

// TestKadDHT: five hosts in a row. The ends find each other, and what one stores the other has.
func TestKadDHT(t *testing.T) {
	all := hosts(t)
	tables := make([]*dht.IpfsDHT, len(all))
	for i, h := range all {
		d, err := dht.New(h, dht.Mode(dht.ModeServer), dht.ProtocolPrefix("/ebb"), dht.NamespacedValidator("v", anything{}))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		tables[i] = d
	}
	chained(t, all)
	for i, d := range tables {
		eventually(t, fmt.Sprintf("that host %d knows a neighbour", i), func() bool { return d.RoutingTable().Size() > 0 })
	}
	last := len(all) - 1
	found, err := tables[0].FindPeer(within(t), all[last].ID())
	if err != nil || len(found.Addrs) == 0 {
		t.Fatalf("the first finds of the last %v, %v", found, err)
	}
	for i := range 10 {
		key, value := fmt.Sprintf("/v/key%d", i), bytes.Repeat([]byte{byte(i)}, 1+100*i)
		if err := tables[0].PutValue(within(t), key, value); err != nil {
			t.Fatalf("PutValue(%s): %v", key, err)
		}
		if got, err := tables[last].GetValue(within(t), key); err != nil || !bytes.Equal(got, value) {
			t.Errorf("GetValue(%s): %d bytes of %d, %v", key, len(got), len(value), err)
		}
	}
}

// mesh is whom a host passes messages on to, as gossipsub tells of it.
type mesh struct {
	mu    sync.Mutex
	peers map[string]bool
}

// Trace implements pubsub.EventTracer.
func (m *mesh) Trace(e *pb.TraceEvent) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch e.GetType() {
	case pb.TraceEvent_GRAFT:
		m.peers[string(e.GetGraft().GetPeerID())] = true
	case pb.TraceEvent_PRUNE:
		delete(m.peers, string(e.GetPrune().GetPeerID()))
	}
}

func (m *mesh) size() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.peers)
}

// TestGossipSub: five hosts in a row. What each says all hear.
func TestGossipSub(t *testing.T) {
	all := hosts(t)
	topics, heard := make([]*pubsub.Topic, len(all)), make([]*pubsub.Subscription, len(all))
	meshes := make([]mesh, len(all))
	for i, h := range all {
		meshes[i].peers = make(map[string]bool)
		ps, err := pubsub.NewGossipSub(t.Context(), h, pubsub.WithEventTracer(&meshes[i]))
		if err != nil {
			t.Fatal(err)
		}
		if topics[i], err = ps.Join("news"); err != nil {
			t.Fatal(err)
		}
		if heard[i], err = topics[i].Subscribe(); err != nil {
			t.Fatal(err)
		}
	}
	chained(t, all)
	for i := range all { // before there is a mesh, nobody passes anything on
		neighbours := min(2, 1+i, len(all)-i)
		eventually(t, fmt.Sprintf("that host %d passes messages on", i), func() bool { return meshes[i].size() >= neighbours })
	}
	for round := range 20 { // each of which all have heard before the next: a subscription keeps 32 messages that nobody fetches
		for i, topic := range topics {
			if err := topic.Publish(within(t), fmt.Appendf(bytes.Repeat([]byte{' '}, 1000), "%d %d", round, i)); err != nil {
				t.Fatal(err)
			}
		}
		for i, sub := range heard {
			hears(t, fmt.Sprintf("host %d in round %d", i, round), sub, len(all))
		}
	}
}

// hears demands so many different messages.
func hears(t *testing.T, who string, sub *pubsub.Subscription, count int) {
	t.Helper()
	seen := make(map[string]bool)
	for range count {
		m, err := sub.Next(within(t))
		if err != nil {
			t.Fatalf("%s has heard %d messages of %d: %v", who, len(seen), count, err)
		}
		if seen[string(m.Data)] {
			t.Errorf("%s hears %s twice", who, bytes.TrimSpace(m.Data))
		}
		seen[string(m.Data)] = true
	}
}
