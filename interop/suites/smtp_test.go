package suites

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"net/textproto"
	"strings"
	"testing"
)

// letter is what the server was given.
type letter struct {
	from string
	to   []string
	body []byte
}

// mailbox is a server of SMTP (RFC 5321) that knows what net/smtp says: EHLO, STARTTLS, AUTH PLAIN, MAIL, RCPT, DATA, NOOP and QUIT.
type mailbox struct {
	t       *testing.T
	tls     *tls.Config
	letters chan letter
}

func (m *mailbox) serve(c net.Conn) {
	text := textproto.NewConn(c)
	text.PrintfLine("220 localhost ready")
	var l letter
	secret := base64.StdEncoding.EncodeToString([]byte("\x00user\x00word"))
	for {
		line, err := text.ReadLine()
		if err != nil {
			if err != io.EOF {
				m.t.Errorf("smtp server: %v", err)
			}
			return
		}
		verb, rest, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "EHLO":
			text.PrintfLine("250-localhost")
			text.PrintfLine("250-STARTTLS")
			text.PrintfLine("250 AUTH PLAIN")
		case "STARTTLS":
			text.PrintfLine("220 go on")
			text = textproto.NewConn(tls.Server(c, m.tls))
		case "AUTH":
			if rest != "PLAIN "+secret {
				text.PrintfLine("535 wrong")
				continue
			}
			text.PrintfLine("235 welcome")
		case "MAIL":
			l = letter{from: between(rest)}
			text.PrintfLine("250 ok")
		case "RCPT":
			l.to = append(l.to, between(rest))
			text.PrintfLine("250 ok")
		case "DATA":
			text.PrintfLine("354 go on")
			if l.body, err = text.ReadDotBytes(); err != nil {
				m.t.Errorf("smtp server, DATA: %v", err)
				return
			}
			m.letters <- l
			text.PrintfLine("250 taken")
		case "QUIT":
			text.PrintfLine("221 bye")
			return
		default:
			text.PrintfLine("250 ok")
		}
	}
}

// between is what stands in angle brackets.
func between(s string) string {
	_, s, _ = strings.Cut(s, "<")
	s, _, _ = strings.Cut(s, ">")
	return s
}

// TestSMTP: net/smtp's client, with STARTTLS and a password, sends letters to a server over Ebb.
func TestSMTP(t *testing.T) {
	clientTLS, serverTLS := certified(t)
	n := over(t, nil)
	l := n.Listen()
	m := &mailbox{t, serverTLS, make(chan letter, 10)}
	eachAccepted(t, l, m.serve)
	c, err := n.DialContext(within(t), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	bound(t, c)
	client, err := smtp.NewClient(c, "localhost")
	if err != nil {
		t.Fatal(err)
	}
	if err := client.StartTLS(clientTLS); err != nil {
		t.Fatal(err)
	}
	if err := client.Auth(smtp.PlainAuth("", "user", "word", "localhost")); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		body := bytes.Repeat([]byte(fmt.Sprintf("letter %d\n.\n..line\n", i)), size(10_000, 300_000))
		mail(t, client, body)
		if got := <-m.letters; got.from != "a@localhost" || len(got.to) != 2 || !bytes.Equal(got.body, body) {
			t.Errorf("letter %d: from %s to %v, %d bytes, want %d", i, got.from, got.to, len(got.body), len(body))
		}
	}
	// The server closes when it has said goodbye, and TLS has a last word nevertheless.
	if err := client.Quit(); err != nil {
		t.Error(err)
	}
}

func mail(t *testing.T, client *smtp.Client, body []byte) {
	t.Helper()
	if err := client.Mail("a@localhost"); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"b@localhost", "c@localhost"} {
		if err := client.Rcpt(to); err != nil {
			t.Fatal(err)
		}
	}
	w, err := client.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
