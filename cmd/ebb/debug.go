package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"example.com/ebb/debug"
)

// debugAuto is what --debug stands for without a value.
const debugAuto = "auto"

// debugFlag is the flag --debug: whether a command serves figures about itself, and where.
type debugFlag struct {
	on      bool
	address string // for debug.Listen
}

// register adds the flag to those of a command.
func (d *debugFlag) register(fs *flagSet) {
	fs.Var(d, "debug", "serve figures about the connections, for \"ebb top\" and browsers, on a private Unix socket or at `ADDR`, which is a TCP HOST:PORT or unix:PATH")
	fs.Lookup("debug").NoOptDefVal = debugAuto
}

// Type implements pflag.Value.
func (d *debugFlag) Type() string { return "address" }

// String implements pflag.Value.
func (d *debugFlag) String() string { return d.address }

// Set implements pflag.Value.
func (d *debugFlag) Set(text string) error {
	if text == "" {
		return errors.New("want HOST:PORT or unix:PATH, or no value for a socket that ebb top finds")
	}
	d.on, d.address = true, text
	switch {
	case text == debugAuto:
		d.address = ""
	case !strings.HasPrefix(text, "unix:"):
		return checkAddress(text, true)
	}
	return nil
}

// debugServer serves figures, if it was asked to.
type debugServer struct {
	server *http.Server
	ln     net.Listener
	done   chan struct{}
}

// serve begins to serve, if the flag was given, under the name of a command.
func (d *debugFlag) serve(command string) (*debugServer, error) {
	if !d.on {
		return new(debugServer), nil
	}
	ln, err := debug.Listen(d.address)
	if err != nil {
		return nil, fmt.Errorf("--debug: %w", err)
	}
	s := &debugServer{
		ln: ln, done: make(chan struct{}),
		server: &http.Server{
			Handler:           debug.Handler(&debug.Config{Program: "ebb " + command}),
			ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
			MaxHeaderBytes: 16 << 10,
		},
	}
	go func() {
		defer close(s.done)
		s.server.Serve(ln)
	}()
	return s, nil
}

// say writes where the figures are.
func (s *debugServer) say(w io.Writer, command string) {
	switch {
	case s.server == nil:
	case s.ln.Addr().Network() == "unix":
		tell(w, command, "figures are at %s: see them with \"ebb top %[1]s\"", s.ln.Addr())
	default:
		tell(w, command, "figures are at http://%s/: everybody who reaches that address may read them", s.ln.Addr())
	}
}

// close serves no more.
func (s *debugServer) close() {
	if s.server != nil {
		s.server.Close()
		<-s.done
	}
}
