package ebb_test

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"example.com/ebb"
	"example.com/ebb/congestion/cubic"
	"example.com/ebb/ledbat"
	"example.com/ebb/pool"
)

// A server that sends back whatever it receives, and a client.
func Example() {
	ln, err := ebb.Listen("udp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()
	go echo(ln)

	conn, err := ebb.Dial("udp", ln.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "hello, tide")
	conn.(*ebb.Conn).CloseWrite()
	answer, err := io.ReadAll(conn)
	fmt.Printf("%s, %v\n", answer, err)
	// Output: hello, tide, <nil>
}

// echo serves a listener until it is closed.
func echo(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			io.Copy(conn, conn)
		}()
	}
}

// What has happened to a connection is found out as with TCP.
func Example_errors() {
	ln, err := ebb.Listen("udp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()
	conn, err := ebb.Dial("udp", ln.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	peer, err := ln.Accept()
	if err != nil {
		log.Fatal(err)
	}

	describe := func(err error) {
		var timeout net.Error
		switch {
		case err == io.EOF:
			fmt.Println("the peer has said all it had to say")
		case errors.Is(err, syscall.ECONNRESET):
			fmt.Println("the peer has aborted the connection")
		case errors.Is(err, ebb.ErrIdleTimeout):
			fmt.Println("the peer is silent, or the path is gone")
		case errors.As(err, &timeout) && timeout.Timeout():
			fmt.Println("it takes too long")
		default:
			fmt.Println(err)
		}
	}

	conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err = conn.Read(make([]byte, 1))
	describe(err)

	conn.SetReadDeadline(time.Time{})
	peer.(*ebb.Conn).Abort()
	_, err = conn.Read(make([]byte, 1))
	describe(err)
	// Output:
	// it takes too long
	// the peer has aborted the connection
}

// A program that sends and ends waits until its peer has everything.
func ExampleDrain() {
	ln, err := ebb.Listen("udp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()
	received := make(chan string)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			log.Fatal(err)
		}
		defer conn.Close()
		all, _ := io.ReadAll(conn)
		received <- string(all)
	}()

	conn, err := ebb.Dial("udp", ln.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	io.WriteString(conn, "the last words")
	conn.Close() // returns at once

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := ebb.Drain(ctx); err != nil {
		log.Print(err) // something was not delivered
	}
	fmt.Println(<-received)
	// Output: the last words
}

// TLS runs over a connection as over any other.
func Example_tls() {
	certificate, roots := selfSigned("localhost")
	ln, err := ebb.Listen("udp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()
	go echo(tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{certificate}}))

	conn, err := ebb.Dial("udp", ln.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	secure := tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: "localhost"})
	defer secure.Close()
	io.WriteString(secure, "for your eyes only")
	answer := make([]byte, len("for your eyes only"))
	_, err = io.ReadFull(secure, answer)
	fmt.Printf("%s, %v\n", answer, err)
	// Output: for your eyes only, <nil>
}

// selfSigned is a certificate for a name, and the pool of roots that accepts it.
func selfSigned(name string) (tls.Certificate, *x509.CertPool) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		log.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(nil, template, template, public, private)
	if err != nil {
		log.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, roots
}

// HTTP needs the listener in the server and one field in the client.
func Example_http() {
	ln, err := ebb.Listen("udp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s over Ebb", r.URL.Path)
	})}
	go server.Serve(ln)
	defer server.Close()

	transport := &http.Transport{DialContext: ebb.DialContext}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	response, err := client.Get("http://" + ln.Addr().String() + "/tide")
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	fmt.Printf("%s, %v\n", body, err)
	// Output: /tide over Ebb, <nil>
}

// Peers listen on the address that they dial from: one socket does both.
func ExampleEndpoint() {
	newPeer := func() *ebb.Endpoint {
		socket, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			log.Fatal(err)
		}
		endpoint, err := ebb.NewEndpoint(socket, nil)
		if err != nil {
			log.Fatal(err)
		}
		return endpoint
	}
	alice, bob := newPeer(), newPeer()
	defer alice.Close()
	defer bob.Close()

	ln, err := bob.Listen()
	if err != nil {
		log.Fatal(err)
	}
	conn, err := alice.DialAddr(context.Background(), bob.Addr()) // or alice.Dial("udp", "bob.example:9000")
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	accepted, err := ln.AcceptConn()
	if err != nil {
		log.Fatal(err)
	}
	defer accepted.Close()
	fmt.Println("bob can call back:", accepted.RemoteAddr().String() == alice.Addr().String())
	// Output: bob can call back: true
}

// What a process does with Ebb: its connections, whoever has made them.
func ExampleConnections() {
	ln, err := ebb.Listen("udp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()
	conn, err := ebb.Dial("udp", ln.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	for c := range ebb.Connections() {
		if c.Dialled && c.Remote.String() == ln.Addr().String() {
			fmt.Println(c.State, c.Protected, c.LimitedBy)
		}
	}
	// Output: established false application
}

// All connections whose Config names a pool share its total: here 10 MB/s, of which
// each gets at least 500 kB/s.
func Example_pool() {
	budget, err := pool.New(10e6, 500e3)
	if err != nil {
		log.Fatal(err)
	}
	dialer := ebb.Dialer{Config: &ebb.Config{Pool: budget}}

	ln, err := ebb.Listen("udp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()
	go echo(ln)
	for range 3 {
		conn, err := dialer.Dial("udp", ln.Addr().String())
		if err != nil {
			log.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, "x")
		io.ReadFull(conn, make([]byte, 1))
	}
	fmt.Println(budget.Members(), "connections share the budget")
	// Output: 3 connections share the budget
}

// LEDBAT++ with a floor under its slow start threshold, as advised for a satellite.
func ExampleConfig_congestion() {
	satellite := ledbat.Config{Mode: ledbat.PlusPlus, MinSSThresh: ledbat.Satellite.MinSSThresh()}
	lc := ebb.ListenConfig{Config: &ebb.Config{Congestion: ledbat.Factory(satellite)}}
	ln, err := lc.Listen(context.Background(), "udp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()

	invalid := ledbat.Config{MinWindow: -1}
	dialer := ebb.Dialer{Config: &ebb.Config{Congestion: ledbat.Factory(invalid)}}
	_, err = dialer.Dial("udp", ln.Addr().String())
	fmt.Println(err)
	// Output: dial udp: ebb: Config.Congestion: ledbat: MinWindow -1 is not in 0 to 1000000000
}

// One connection competes for its share of the path, as TCP does; the other, with the default,
// leaves it to everybody else.
func ExampleConfig_foreground() {
	ln, err := ebb.Listen("udp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()
	for _, config := range []*ebb.Config{{Congestion: cubic.Factory()}, {}} {
		dialer := ebb.Dialer{Config: config}
		conn, err := dialer.Dial("udp", ln.Addr().String())
		if err != nil {
			log.Fatal(err)
		}
		defer conn.Close()
		fmt.Println(conn.(*ebb.Conn).Info().Congestion.Name)
	}
	// Output:
	// cubic
	// adaptive
}

// A server that takes both Ebb and TCP, and a client on whose network UDP may be blocked. What it gets says what it is by its type.
func ExampleFallback() {
	lc := ebb.ListenConfig{Fallback: true}
	ln, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()
	go echo(ln)

	dialer := ebb.Dialer{Fallback: new(ebb.Fallback)} // which remembers, so there is one for all dials
	conn, err := dialer.Dial("tcp", ln.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	switch conn.(type) {
	case *ebb.Conn, *ebb.SecureConn:
		fmt.Println("Ebb")
	case *net.TCPConn, *tls.Conn:
		fmt.Println("TCP")
	}
	// Output: Ebb
}

// A dial that lasts no longer than a context, with a limit of 50 MB/s.
func ExampleDialer() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	dialer := ebb.Dialer{Config: &ebb.Config{BandwidthLimit: 50e6}}
	conn, err := dialer.DialContext(ctx, "udp", "server.example:9000")
	if errors.Is(err, os.ErrDeadlineExceeded) {
		log.Fatal("no answer within 5 seconds")
	}
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
}
