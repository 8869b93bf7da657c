package torrentebb_test

import (
	"fmt"
	"log"
	"os"

	"github.com/anacrolix/torrent"

	"example.com/ebb/interop/torrentebb"
)

// A client whose peers are reached over Ebb alone.
func Example() {
	dir, err := os.MkdirTemp("", "torrents")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	config := torrent.NewDefaultClientConfig()
	config.DataDir = dir
	config.DisableTCP, config.DisableUTP, config.NoDHT = true, true, true

	client, err := torrent.NewClient(config)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	socket, err := torrentebb.Listen("127.0.0.1:0", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer socket.Close()
	socket.Attach(client)
	fmt.Println(len(client.ListenAddrs()), "address to tell other peers")
	// Output: 1 address to tell other peers
}
