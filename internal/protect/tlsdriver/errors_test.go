package tlsdriver

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"
)

// is reports whether an error of type E is in err.
func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// TestFailures: each ends at the side that finds it with the error that users of crypto/tls know, and an alert for the other.
func TestFailures(t *testing.T) {
	for _, f := range []struct {
		name   string
		change func(client, server *tls.Config)
		client bool             // who finds it
		alert  tls.AlertError   //
		is     func(error) bool // besides
		says   string
	}{
		{"expired", func(client, _ *tls.Config) {
			client.Time = func() time.Time { return testEnd.Add(time.Hour) }
		}, true, 42, is[x509.CertificateInvalidError], "expired"},
		{"unknown authority", func(client, _ *tls.Config) {
			client.RootCAs = x509.NewCertPool()
		}, true, 42, is[x509.UnknownAuthorityError], "unknown authority"},
		{"another name", func(client, _ *tls.Config) {
			client.ServerName = "other.test"
		}, true, 42, is[x509.HostnameError], "other.test"},
		{"another protocol", func(client, server *tls.Config) {
			client.NextProtos, server.NextProtos = []string{"a"}, []string{"b"}
		}, false, 120, is[tls.AlertError], "NextProtos"},
		{"no protocol of the client's", func(client, server *tls.Config) {
			server.NextProtos = []string{"b"}
		}, false, 120, is[tls.AlertError], "NextProtos"},
		{"no protocol of the server's", func(client, server *tls.Config) {
			client.NextProtos = []string{"a"}
		}, true, 120, is[tls.AlertError], "NextProtos"},
		{"no certificate of the client's", func(client, server *tls.Config) {
			server.ClientAuth = tls.RequireAndVerifyClientCert
		}, false, 116, is[tls.AlertError], "certificate"},
		{"refused by the application", func(client, server *tls.Config) {
			client.VerifyConnection = func(tls.ConnectionState) error { return errors.New("not \x1b[31mhim") }
		}, true, 42, is[tls.AlertError], `not \u001b[31mhim`},
		{"no group in common", func(client, server *tls.Config) {
			client.CurvePreferences, server.CurvePreferences = []tls.CurveID{tls.X25519}, []tls.CurveID{tls.CurveP256}
		}, false, 40, is[tls.AlertError], ""},
	} {
		t.Run(f.name, func(t *testing.T) {
			client, server := configs(t)
			f.change(client, server)
			c, s := ends(t, client, server)
			converse(t, c, s, 1200)
			finder, other := s, c
			if f.client {
				finder, other = c, s
			}
			failure, ok := errors.AsType[*Error](finder.err)
			if !ok || finder.done {
				t.Fatalf("done %v, %v", finder.done, finder.err)
			}
			if failure.Alert != f.alert || !f.is(failure) || !strings.Contains(failure.Error(), f.says) {
				t.Errorf("%v (alert %d), want one with %q (alert %d)", failure, failure.Alert, f.says, f.alert)
			}
			if other.err != nil {
				t.Errorf("the other side fails too, without a word from this: %v", other.err)
			}
		})
	}
}

// TestConfigs: what cannot work is refused at once, and what is not 1.3 is raised to it in a copy.
func TestConfigs(t *testing.T) {
	client, server := configs(t)
	client.MinVersion, client.ServerName = tls.VersionTLS12, ""
	c, err := ClientConfig(client, "host.test")
	if err != nil || c.MinVersion != tls.VersionTLS13 || c.ServerName != "host.test" || client.MinVersion != tls.VersionTLS12 || client.ServerName != "" {
		t.Errorf("%v: version %x, name %q", err, c.MinVersion, c.ServerName)
	}
	client.ServerName = testName
	if c, err = ClientConfig(client, "host.test"); err != nil || c.ServerName != testName {
		t.Errorf("%v: name %q", err, c.ServerName)
	}
	client.MaxVersion, server.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if _, err = ClientConfig(client, ""); err != errMaxVersion {
		t.Errorf("client: %v, want %v", err, errMaxVersion)
	}
	if _, err = ServerConfig(server); err != errMaxVersion {
		t.Errorf("server: %v, want %v", err, errMaxVersion)
	}
	if _, err = ServerConfig(&tls.Config{}); err != errNoIdentity {
		t.Errorf("server: %v, want %v", err, errNoIdentity)
	}
}

// TestOldConfigForClient: what GetConfigForClient returns cannot lower the version below 1.3 by its MaxVersion.
func TestOldConfigForClient(t *testing.T) {
	client, server := configs(t)
	old := server.Clone()
	old.MaxVersion = tls.VersionTLS12
	server.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return old, nil }
	c, s := ends(t, client, server)
	converse(t, c, s, 1200)
	if !errors.Is(s.err, errMaxVersion) || c.done {
		t.Errorf("%v, and the client is done: %v", s.err, c.done)
	}
}
