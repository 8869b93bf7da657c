package debug

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// JSONName is the last element of the path that the handler serves JSON at; the page is at the path that ends before it.
const JSONName = "ebb.json"

// freshness is how old a snapshot may be that is served again.
const freshness = 250 * time.Millisecond

//go:embed page.html
var page []byte

// handler serves the page and the JSON.
type handler struct {
	hosts  []string
	policy string // Content-Security-Policy of the page
	read   func() Snapshot
	now    func() time.Time

	mu    sync.Mutex // guards the snapshot that was made last
	made  time.Time
	cache []byte
}

// Handler serves a page that shows the process, live, and the JSON that it is made from. It is for any path that ends in a
// slash, and for what is below it: the page is there, and the JSON at JSONName beside it. Other methods than GET and HEAD, other paths,
// and browsers that were brought to it under a foreign name are refused. config may be nil; it must not be changed afterwards.
func Handler(config *Config) http.Handler {
	if config == nil {
		config = new(Config)
	}
	return &handler{
		hosts: config.Hosts, policy: contentPolicy(page), now: time.Now,
		read: func() Snapshot { return Read(config) },
	}
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are served here", http.StatusMethodNotAllowed)
		return
	case !h.admits(r):
		http.Error(w, "this server does not go by that name: use its IP address or localhost, or put the name into Config.Hosts", http.StatusMisdirectedRequest)
		return
	}
	switch r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:] {
	case "":
		header.Set("Content-Security-Policy", h.policy)
		header.Set("Content-Type", "text/html; charset=utf-8")
		header.Set("Content-Length", strconv.Itoa(len(page)))
		w.Write(page)
	case JSONName:
		if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
			http.Error(w, "another site's page may not read this", http.StatusForbidden)
			return
		}
		body := h.snapshot()
		header.Set("Content-Type", "application/json")
		header.Set("Content-Length", strconv.Itoa(len(body)))
		w.Write(body)
	default:
		http.Error(w, "the page is at the path that ends in a slash, and its JSON at "+JSONName+" beside it", http.StatusNotFound)
	}
}

// snapshot is the JSON, of now or of a moment ago.
func (h *handler) snapshot() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := h.now(); h.cache == nil || now.Sub(h.made) >= freshness {
		h.cache, h.made = encode(h.read()), now
	}
	return h.cache
}

// encode is the JSON of a snapshot, in which nothing is HTML.
func encode(s Snapshot) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic("BUG: a snapshot has no JSON: " + err.Error())
	}
	return b
}

// admits reports whether a request was meant for this server. A page from elsewhere can make a browser send requests here under a
// name of its own, whose address it changes meanwhile; it cannot under an IP address. Who connects to a Unix socket is no page.
func (h *handler) admits(r *http.Request) bool {
	if _, ok := r.Context().Value(http.LocalAddrContextKey).(*net.UnixAddr); ok {
		return true
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"), "."))
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost") ||
		slices.ContainsFunc(h.hosts, func(name string) bool { return strings.EqualFold(name, host) })
}

// contentPolicy allows a page the script and the style that it contains, and requests to where it comes from.
func contentPolicy(page []byte) string {
	return "default-src 'none'; script-src " + hashOf(page, "script") + "; style-src " + hashOf(page, "style") +
		"; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" +
		"; require-trusted-types-for 'script'; trusted-types 'none'"
}

// hashOf is the source expression of what stands in the one element of that name.
func hashOf(page []byte, element string) string {
	_, rest, ok := bytes.Cut(page, []byte("<"+element+">"))
	content, _, closed := bytes.Cut(rest, []byte("</"+element+">"))
	if !ok || !closed {
		panic("BUG: the page has no " + element)
	}
	sum := sha256.Sum256(content)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
