package tlsdriver

import (
	"crypto/tls"
	"net"
	"testing"

	"example.com/ebb/internal/protect"
)

// BenchmarkHandshake is a handshake in memory, both sides, with a P-256 certificate; beside it the same through crypto/tls's
// own connections over a pipe.
func BenchmarkHandshake(b *testing.B) {
	for _, resume := range []bool{false, true} {
		name := map[bool]string{false: "full", true: "resumed"}[resume]
		client, server := configs(b)
		if resume {
			client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		}
		clientTLS, err := ClientConfig(client, testName)
		if err != nil {
			b.Fatal(err)
		}
		serverTLS, err := ServerConfig(server)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name+"/driver", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c, s := endsOf(b, clientTLS, serverTLS)
				converse(b, c, s, 1200)
				if !c.done || !s.done {
					b.Fatal(c.err, s.err)
				}
			}
		})
		b.Run(name+"/crypto tls", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				overPipe(b, clientTLS, serverTLS)
			}
		})
	}
}

// overPipe makes a handshake as crypto/tls does without us, and reads the ticket.
func overPipe(b *testing.B, clientTLS, serverTLS *tls.Config) {
	x, y := net.Pipe()
	served := make(chan error)
	go func() {
		conn := tls.Server(y, serverTLS)
		_, err := conn.Write([]byte{1})
		served <- err
	}()
	conn := tls.Client(x, clientTLS)
	var one [1]byte
	if _, err := conn.Read(one[:]); err != nil {
		b.Fatal(err)
	}
	if err := <-served; err != nil {
		b.Fatal(err)
	}
	x.Close()
	y.Close()
}

// BenchmarkSecrets is what the keys of one side of a connection cost, over all levels.
func BenchmarkSecrets(b *testing.B) {
	b.ReportAllocs()
	secret := make([]byte, 32)
	for b.Loop() {
		if _, _, err := protect.NewInitialKeys(1, true); err != nil {
			b.Fatal(err)
		}
		for range 2 {
			if _, err := protect.NewSealKey(protect.AES128GCM, secret); err != nil {
				b.Fatal(err)
			}
		}
		k, err := protect.NewDataKeys(protect.AES128GCM, protect.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		if k.SetSend(secret) != nil || k.SetRecv(secret) != nil {
			b.Fatal("no keys")
		}
	}
}
