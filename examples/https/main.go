// Command https serves a folder over HTTP, and gets a file of it. The transport is Ebb with TLS 1.3 of its own: every packet is
// encrypted, and net/http sees a protected connection.
//
//	https new cert.pem key.pem                   a certificate for localhost, and its key
//	https serve localhost:8443 cert.pem key.pem folder
//	https get localhost:8443 cert.pem /name
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"example.com/ebb"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	drain := drained()
	if err = errors.Join(err, drain); err != nil {
		fmt.Fprintln(os.Stderr, "https:", err)
		os.Exit(1)
	}
}

// drained waits until what closed connections have written is delivered: a kernel does that for TCP when a program has ended.
func drained() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return ebb.Drain(ctx)
}

func run(ctx context.Context, args []string, out io.Writer) error {
	switch {
	case len(args) == 3 && args[0] == "new":
		return newCertificate(args[1], args[2])
	case len(args) == 5 && args[0] == "serve":
		return serve(ctx, args[1], args[2], args[3], args[4], out)
	case len(args) == 4 && args[0] == "get":
		return get(ctx, args[1], args[2], args[3], out)
	}
	return errors.New("usage: https new CERT KEY | serve ADDRESS CERT KEY FOLDER | get ADDRESS CERT PATH")
}

// serve serves the folder until the context is done.
func serve(ctx context.Context, address, cert, key, folder string, out io.Writer) error {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return err
	}
	lc := &ebb.ListenConfig{Config: &ebb.Config{TLS: &tls.Config{Certificates: []tls.Certificate{pair}}}}
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "serving on", l.Addr())
	files := http.FileServer(http.Dir(folder))
	s := &http.Server{
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Protected-By", tls.VersionName(r.TLS.Version)) // net/http knows that the connection is protected
			files.ServeHTTP(w, r)
		}),
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.Background(), 10*time.Second) // for requests that are being answered
	defer cancel()
	err = s.Shutdown(last)
	<-served
	return err
}

// get writes what the server has under a path to out. The certificate is the one that it trusts.
func get(ctx context.Context, address, cert, path string, out io.Writer) error {
	content, err := os.ReadFile(cert)
	if err != nil {
		return err
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(content) {
		return fmt.Errorf("there is no certificate in %s", cert)
	}
	d := &ebb.Dialer{Config: &ebb.Config{TLS: &tls.Config{RootCAs: trusted}}}
	transport := &http.Transport{DialTLSContext: d.DialContext} // the one field to change
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+path, nil)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, response.Status)
	}
	_, err = io.Copy(out, response.Body)
	return err
}

// newCertificate writes a certificate for this host, signed by itself, for a year.
func newCertificate(cert, key string) error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(1, 0, 0),
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		IsCA:         true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	if err := os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}), 0o644); err != nil {
		return err
	}
	return os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600)
}
