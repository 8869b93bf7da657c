package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"example.com/ebb/debug"
	"example.com/ebb/internal/untrusted"
)

const (
	// topTimeout bounds the wait for figures.
	topTimeout = 5 * time.Second
	// maxFigures bounds their JSON, in bytes. A hundred thousand connections take about as much.
	maxFigures = 128 << 20
)

// figureSource is where figures come from.
type figureSource struct {
	where  string // for people
	url    string
	client http.Client
}

// newSource makes a source of a URL, of the path of a Unix socket, or, of "", of the one process that has a socket in debug.SocketDir.
func newSource(where string) (*figureSource, error) {
	switch {
	case where == "":
		path, err := onlySocket()
		if err != nil {
			return nil, err
		}
		return sourceOnSocket(path), nil
	case strings.HasPrefix(where, "http://") || strings.HasPrefix(where, "https://"):
		u, err := url.Parse(where)
		if err != nil || u.Host == "" {
			return nil, usageErrorf("%q is not a URL", where)
		}
		if !strings.HasSuffix(u.Path, "/"+debug.JSONName) {
			u.Path = strings.TrimSuffix(u.Path, "/") + "/" + debug.JSONName
		}
		return &figureSource{where: where, url: u.String(), client: http.Client{Timeout: topTimeout}}, nil
	}
	path := strings.TrimPrefix(where, "unix:")
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, usageErrorf("%q is neither the path of a Unix socket (%w) nor a URL that begins with http://", where, err)
	case info.Mode().Type() != os.ModeSocket:
		return nil, usageErrorf("%s is no Unix socket", path)
	}
	return sourceOnSocket(path), nil
}

func sourceOnSocket(path string) *figureSource {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	return &figureSource{where: path, url: "http://ebb/" + debug.JSONName, client: http.Client{Timeout: topTimeout, Transport: transport}}
}

// onlySocket is the socket that is there if there is one.
func onlySocket() (string, error) {
	found, err := debug.Sockets()
	switch {
	case err != nil:
		return "", err
	case len(found) == 0:
		return "", fmt.Errorf("no process of yours serves figures in %s: start one with --debug, or name its socket or URL", debug.SocketDir())
	case len(found) > 1:
		return "", fmt.Errorf("%d processes serve figures, choose one: ebb top %s", len(found), strings.Join(found, ", or "))
	}
	return filepath.Clean(found[0]), nil
}

// read asks for figures.
func (s *figureSource) read(ctx context.Context) (*debug.Snapshot, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, fmt.Errorf("no figures of %s: %w", s.where, err)
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("no figures of %s: %w", s.where, err)
	}
	defer answer.Body.Close()
	body := io.LimitReader(answer.Body, maxFigures)
	if answer.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(body, 200))
		return nil, fmt.Errorf("no figures of %s: it says %d, %s", s.where, answer.StatusCode, untrusted.Text(strings.TrimSpace(string(said))))
	}
	figures := new(debug.Snapshot)
	if err := json.NewDecoder(body).Decode(figures); err != nil {
		return nil, fmt.Errorf("no figures of %s: what it says is no JSON of Ebb's: %s", s.where, untrusted.Text(err.Error()))
	}
	if figures.Version != debug.Version {
		return nil, fmt.Errorf("the figures of %s are of version %d, and this ebb knows %d", s.where, figures.Version, debug.Version)
	}
	return figures, nil
}
