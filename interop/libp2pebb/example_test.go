package libp2pebb_test

import (
	"context"
	"fmt"
	"io"
	"log"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"example.com/ebb/interop/libp2pebb"
)

// Two hosts that speak over Ebb and nothing else.
func Example() {
	server, err := libp2p.New(libp2p.Transport(libp2pebb.New), libp2p.ListenAddrStrings("/ip4/127.0.0.1/udp/0/ebb"))
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	server.SetStreamHandler("/greeting", func(s network.Stream) {
		fmt.Fprint(s, "hello over Ebb")
		s.Close()
	})

	client, err := libp2p.New(libp2p.Transport(libp2pebb.New), libp2p.NoListenAddrs)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()
	if err := client.Connect(ctx, peer.AddrInfo{ID: server.ID(), Addrs: server.Addrs()}); err != nil {
		log.Fatal(err)
	}
	s, err := client.NewStream(ctx, server.ID(), "/greeting")
	if err != nil {
		log.Fatal(err)
	}
	b, err := io.ReadAll(s)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", b)
	// Output: hello over Ebb
}
