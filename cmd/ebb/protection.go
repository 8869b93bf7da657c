package main

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"example.com/ebb"
	"example.com/ebb/cmd/ebb/internal/settings"
	"example.com/ebb/peerid"
)

// target is what is dialled: ID@HOST:PORT, or of a plain connection HOST:PORT.
type target struct {
	id      peerid.ID // who has to be there; the zero ID: it is not given
	address string
}

// parseTarget reports what is wrong with the form of a target. Whether it has to have an ID is known later: see check.
func parseTarget(text string) (target, error) {
	id, address, found := strings.Cut(text, "@")
	if !found {
		return target{address: text}, checkAddress(text, false)
	}
	t := target{address: address}
	if strings.Contains(address, "@") {
		return t, usageErrorf("%q has two identities: want one, as in ID@HOST:PORT", text)
	}
	var err error
	if t.id, err = peerid.Parse(id); err != nil {
		return t, usageErrorf("%q is not an identity: want the 52 letters and digits that the other side prints, before @HOST:PORT", id)
	}
	return t, checkAddress(address, false)
}

// check reports that a target has no ID where one is needed, or has one that nobody would look at. other is the
// command of the other side.
func (t target) check(plain bool, other string) error {
	switch named := t.id != (peerid.ID{}); {
	case plain && named:
		return usageErrorf("--plain does not look at the identity before %s: want one of the two", t.address)
	case !plain && !named:
		return usageErrorf("%s says where, but not who: want ID@%s, as %q prints it at the other end (or --plain at both ends: nothing is encrypted then)",
			t.address, t.address, other)
	}
	return nil
}

// String is what a user types.
func (t target) String() string {
	if t.id == (peerid.ID{}) {
		return t.address
	}
	return t.id.String() + "@" + t.address
}

// resolveTarget is resolve for a command that dials: its target is checked too. other is as for check.
func (o *transportOptions) resolveTarget(w io.Writer, text, other string) (to target, chosen settings.Settings, err error) {
	if to, err = parseTarget(text); err != nil {
		return to, chosen, err
	}
	if o.command.Changed("peer") {
		return to, chosen, usageErrorf("--peer is for who accepts connections: whom this side connects to stands in ID@%s", to.address)
	}
	if chosen, err = o.resolve(w); err != nil {
		return to, chosen, err
	}
	return to, chosen, to.check(chosen.Protection.Plain, other)
}

// registerProtection adds the flags of commands that talk to other hosts; accepts says whether they may accept connections.
func (o *transportOptions) registerProtection(fs *flagSet, accepts bool) {
	const origin = "command line"
	fs.Func("key", keyHelp, func(s string) error {
		return o.flags.SetKey(s, origin)
	})
	if accepts {
		fs.Func("peer", "accept only the peer with this `ID`; may be repeated", func(s string) error {
			return o.flags.AddPeer(s, origin)
		})
	}
	fs.BoolFunc("plain", "neither encrypt nor verify who the other side is; needed at both ends", func(s string) error {
		plain, err := strconv.ParseBool(s)
		o.flags.SetPlain(plain, origin)
		return err
	})
}

// keyHelp is the help of --key.
const keyHelp = "`FILE` with your key, created if it does not exist; by default ebb/" + keyName + " in your configuration folder"

// keyName is the file of our key, in the folder ebb of the user's configuration folder.
const keyName = "key.pem"

// keyPath is where our key is; given is what the user says.
func keyPath(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("there is no folder for our key: %w; name a file with --key", err)
	}
	return filepath.Join(dir, "ebb", keyName), nil
}

// loadKey reads our key, and makes it if there is none, of which the notes tell.
func loadKey(given string) (key ed25519.PrivateKey, notes []string, err error) {
	path, err := keyPath(given)
	if err != nil {
		return nil, nil, err
	}
	key, err = peerid.Load(path)
	if errors.Is(err, fs.ErrNotExist) {
		if key, err = peerid.LoadOrCreate(path); err != nil {
			return nil, nil, fmt.Errorf("cannot make a key in %s: %w (--key names another file)", path, err)
		}
		notes = append(notes, "created a key in "+path)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("cannot use our key: %w", err)
	}
	return key, notes, nil
}

// serverTLS is what accepts connections: of everybody who has a key, or of the peers that are listed. Who is not is told to refused.
func serverTLS(key ed25519.PrivateKey, peers []peerid.ID, refused func(line string)) *tls.Config {
	config := peerid.Server(key)
	if len(peers) == 0 {
		return config
	}
	config.VerifyConnection = peerid.Only(peers...)
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		from := hello.Conn.RemoteAddr()
		own := config.Clone()
		own.VerifyConnection = func(state tls.ConnectionState) error {
			err := config.VerifyConnection(state)
			var wrong *peerid.WrongPeerError
			if errors.As(err, &wrong) {
				refused(fmt.Sprintf("%v is refused: its identity is %v, which no --peer names", from, wrong.Got))
			}
			return err
		}
		return own, nil
	}
	return config
}

// refusals is a handler of the transport's log that tells of dials that were refused for what one side is protected and the
// other not.
type refusals func(line string)

// Enabled implements slog.Handler.
func (refusals) Enabled(_ context.Context, level slog.Level) bool { return level == slog.LevelInfo }

// Handle implements slog.Handler.
func (told refusals) Handle(_ context.Context, r slog.Record) error {
	is := make(map[string]string)
	r.Attrs(func(a slog.Attr) bool {
		is[a.Key] = a.Value.String()
		return true
	})
	why := "it wants a protected connection, and this side has --plain"
	if is["dials"] == "plain" {
		why = "it has --plain, and this side takes protected connections only"
	}
	told(is["remote"] + " is refused: " + why)
	return nil
}

// WithAttrs implements slog.Handler.
func (told refusals) WithAttrs([]slog.Attr) slog.Handler { return told }

// WithGroup implements slog.Handler.
func (told refusals) WithGroup(string) slog.Handler { return told }

// alertBadCertificate is what a peer hears whose key VerifyConnection does not admit (RFC 8446 section 6.2).
const alertBadCertificate = tls.AlertError(42)

// hint is an error in the words of the command line.
type hint struct {
	text string
	err  error
}

func (h *hint) Error() string { return h.text }
func (h *hint) Unwrap() error { return h.err }

// explain puts an error into the words of the command line, where it is about how the two ends are protected.
func (t transport) explain(err error) error {
	var wrong *peerid.WrongPeerError
	var alert tls.AlertError
	switch {
	case errors.As(err, &wrong) && len(wrong.Want) == 1:
		return &hint{fmt.Sprintf("its identity is %v, not %v: it is another machine, or has another key", wrong.Got, wrong.Want[0]), err}
	case errors.Is(err, ebb.ErrProtected):
		return &hint{"it takes protected connections only: want ID@HOST:PORT, with the identity that it prints, in place of --plain", err}
	case errors.Is(err, ebb.ErrPlain):
		return &hint{"it takes plain connections only: want no --plain there, or --plain here too, and nothing is encrypted", err}
	case errors.As(err, &alert) && alert == alertBadCertificate:
		return &hint{fmt.Sprintf("it does not admit our identity: add --peer %v there", t.identity), err}
	}
	return err
}

// announce prints where a command listens, who it is, and what to type at the other end to reach it: a command, with what goes
// before the address. typed is the address as the user has given it.
func (t transport) announce(w io.Writer, name, other, before, typed string, at net.Addr) {
	if t.identity == (peerid.ID{}) {
		other += " --plain"
	} else {
		tell(w, name, "identity %v", t.identity)
	}
	tell(w, name, "at the other end: ebb %s%s %v", other, before, target{t.identity, reachable(typed, at)})
	tell(w, name, "listening on %v", at)
}

// reachable is an address at which others may reach us who listen at one: under the name that the user has given, or, where that is
// every address of ours, under the one that packets to elsewhere leave from.
func reachable(typed string, at net.Addr) string {
	_, port, err := net.SplitHostPort(at.String())
	if err != nil {
		return at.String()
	}
	host, _, _ := net.SplitHostPort(typed)
	if ip, err := netip.ParseAddr(host); host != "" && (err != nil || !ip.IsUnspecified()) {
		return net.JoinHostPort(host, port)
	}
	for _, elsewhere := range []string{"192.0.2.1:9", "[2001:db8::1]:9"} { // addresses for examples; to connect a UDP socket sends nothing
		if conn, err := net.Dial("udp", elsewhere); err == nil {
			ours := addrOf(conn.LocalAddr())
			conn.Close()
			return net.JoinHostPort(ours.String(), port)
		}
	}
	if host, err := os.Hostname(); err == nil {
		return net.JoinHostPort(host, port)
	}
	return net.JoinHostPort("localhost", port)
}
