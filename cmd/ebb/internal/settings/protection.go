package settings

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"example.com/ebb/peerid"
)

// The names of what protects connections: of flags, and of keys in the table of a file.
const (
	protectionTable = "tls"
	keyKey          = "key"
	peerKey         = "peer"
	plainKey        = "plain"
)

const identityForm = "an identity: 52 letters and digits, as \"ebb id\" prints them"

// Protection is how connections are protected, and who may make them.
type Protection struct {
	// Plain connections are not protected at all.
	Plain bool
	// Key is the file of our key. "": the one in the user's configuration folder.
	Key string
	// Peers are the only ones that we accept connections from. None: everybody.
	Peers []peerid.ID
}

// protectionLayer is what one source says of it.
type protectionLayer struct {
	plain   bool
	key     string
	peers   []peerid.ID
	origins map[string]string // by name, of what is given
}

// SetPlain says whether connections are plain. The origin is as for Set.
func (l *Layer) SetPlain(plain bool, origin string) {
	l.protection.plain = plain
	l.protection.note(plainKey, origin)
}

// SetKey names the file of our key.
func (l *Layer) SetKey(path, origin string) error {
	if path == "" {
		return errors.New("want the name of a file")
	}
	l.protection.key = path
	l.protection.note(keyKey, origin)
	return nil
}

// AddPeer adds one to those that we accept connections from.
func (l *Layer) AddPeer(text, origin string) error {
	id, err := peerid.Parse(text)
	if err != nil {
		return errors.New("want " + identityForm)
	}
	l.protection.peers = append(l.protection.peers, id)
	l.protection.note(peerKey, origin)
	return nil
}

func (p *protectionLayer) note(name, origin string) {
	if p.origins == nil {
		p.origins = make(map[string]string)
	}
	p.origins[name] = origin
}

// setProtection takes everything from the first layer that gives it. An allow-list of a layer is whole: it is not added to that of the next.
func (s *Settings) setProtection(from sources) error {
	origins := make(map[string]string)
	for _, layer := range slices.Backward(from) {
		p := &layer.protection
		maps.Copy(origins, p.origins)
		if _, ok := p.origins[plainKey]; ok {
			s.Protection.Plain = p.plain
		}
		if p.key != "" {
			s.Protection.Key = p.key
		}
		if p.peers != nil {
			s.Protection.Peers = p.peers
		}
	}
	if !s.Protection.Plain {
		return nil
	}
	if s.Protection.Peers != nil {
		return fmt.Errorf("plain (%s) and peer (%s) exclude each other: a plain connection does not show who the peer is",
			origins[plainKey], origins[peerKey])
	}
	if s.Protection.Key != "" {
		s.note("key %s (%s) has no effect with plain (%s)", s.Protection.Key, origins[keyKey], origins[plainKey])
		s.Protection.Key = ""
	}
	return nil
}

// setProtectionAny gives a setting of the table as TOML has it.
func (l *Layer) setProtectionAny(table, name string, value any, origin string) error {
	var want string
	switch name {
	case plainKey:
		if plain, ok := value.(bool); ok {
			l.SetPlain(plain, origin)
			return nil
		}
		want = "true or false"
	case keyKey:
		if path, ok := value.(string); ok && path != "" {
			return l.SetKey(path, origin)
		}
		want = "the name of a file, in a string"
	case peerKey:
		want = identityForm + ", in a string, or a list of such"
		if l.addPeers(value, origin) == nil {
			return nil
		}
	default:
		return fmt.Errorf("%s: there is no key %.*q in [%s]: want key, peer or plain", origin, maxQuote, name, table)
	}
	shown := fmt.Sprintf("%.*s", maxQuote, fmt.Sprint(value))
	if text, ok := value.(string); ok {
		shown = fmt.Sprintf("%.*q", maxQuote, text)
	}
	return fmt.Errorf("%s: %s = %s: want %s", origin, name, shown, want)
}

var errNoText = errors.New("it is no string")

// addPeers adds one, or a list of them.
func (l *Layer) addPeers(value any, origin string) error {
	all, ok := value.([]any)
	if !ok {
		all = []any{value}
	}
	if len(all) == 0 {
		return errors.New("an empty list admits nobody")
	}
	for _, each := range all {
		text, ok := each.(string)
		if !ok {
			return errNoText
		}
		if err := l.AddPeer(text, origin); err != nil {
			return err
		}
	}
	return nil
}
