package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// transportVariable is the environment variable that says over what the tests run: tcp or ebb.
const transportVariable = "GOSUITES_TRANSPORT"

// unlimitedVariable is the one that says whether Ebb's connections have no limit of rate: true or false.
const unlimitedVariable = "GOSUITES_UNLIMITED"

// hook is what package net gets: two variables, and in front of what dials and listens a look at them.
const hook = `
// SuiteDial and SuiteListen take the place of Dialer.DialContext and ListenConfig.Listen for TCP, if they are set.
var (
	SuiteDial   func(ctx context.Context, d *Dialer, network, address string) (Conn, error)
	SuiteListen func(ctx context.Context, lc *ListenConfig, network, address string) (Listener, error)
)

func suiteTCP(network string) bool { return network == "tcp" || network == "tcp4" || network == "tcp6" }
`

// The heads of the functions that are hooked, and what is put behind them.
var hooked = []struct{ head, look string }{
	{
		"func (d *Dialer) DialContext(ctx context.Context, network, address string) (Conn, error) {\n",
		"\tif SuiteDial != nil && suiteTCP(network) {\n\t\treturn SuiteDial(ctx, d, network, address)\n\t}\n",
	},
	{
		"func (lc *ListenConfig) Listen(ctx context.Context, network, address string) (Listener, error) {\n",
		"\tif SuiteListen != nil && suiteTCP(network) {\n\t\treturn SuiteListen(ctx, lc, network, address)\n\t}\n",
	},
}

// setter is the file that is added to the tests of a package. A nil context is package net's to complain of.
const setter = `package %s

import (
	"context"
	"net"
	"os"

	"example.com/ebb"
)

func init() {
	if os.Getenv(%q) != "ebb" {
		return
	}
	var config *ebb.Config
	if os.Getenv(%q) == "true" {
		config = &ebb.Config{BandwidthLimit: ebb.Unlimited}
	}
	net.SuiteDial = func(ctx context.Context, d *net.Dialer, network, address string) (net.Conn, error) {
		return (&ebb.Dialer{
			Timeout: d.Timeout, Deadline: d.Deadline, LocalAddr: d.LocalAddr, DualStack: d.DualStack, FallbackDelay: d.FallbackDelay,
			KeepAlive: d.KeepAlive, KeepAliveConfig: d.KeepAliveConfig, Resolver: d.Resolver, Cancel: d.Cancel,
			Control: d.Control, ControlContext: d.ControlContext, Config: config,
		}).DialContext(ctx, network, address)
	}
	net.SuiteListen = func(ctx context.Context, lc *net.ListenConfig, network, address string) (net.Listener, error) {
		return (&ebb.ListenConfig{
			Control: lc.Control, KeepAlive: lc.KeepAlive, KeepAliveConfig: lc.KeepAliveConfig, Config: config,
		}).Listen(ctx, network, address)
	}
}
`

// overlay writes the files that take the place of others, and the list of them that the go command reads, into dir, and returns the name of the list.
func (s suite) overlay(ctx context.Context, dir, at string) (string, error) {
	root, err := goroot(ctx)
	if err != nil {
		return "", err
	}
	replace := make(map[string]string)
	write := func(of, content string) error {
		file := filepath.Join(dir, fmt.Sprintf("%d-%s", len(replace), filepath.Base(of)))
		replace[of] = file
		return os.WriteFile(file, []byte(content), 0o666)
	}
	dial := filepath.Join(root, "src/net/dial.go")
	source, err := os.ReadFile(dial)
	if err != nil {
		return "", err
	}
	with, err := withHooks(string(source))
	if err != nil {
		return "", fmt.Errorf("%s: %w", dial, err)
	}
	if err := write(dial, with); err != nil {
		return "", err
	}
	if s.types != "" {
		if err := write(filepath.Join(at, "suite_types_test.go"), s.types); err != nil {
			return "", err
		}
	}
	if err := write(filepath.Join(at, "suite_hook_test.go"), fmt.Sprintf(setter, s.testPackage, transportVariable, unlimitedVariable)); err != nil {
		return "", err
	}
	tests, err := filepath.Glob(filepath.Join(at, "*_test.go"))
	if err != nil {
		return "", err
	}
	for _, file := range tests {
		source, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		changed := withInterfaces(string(source))
		if s.change != nil {
			changed = s.change(file, changed)
		}
		if changed == "" {
			replace[file] = "" // as if it were not there
		} else if changed != string(source) {
			if err := write(file, changed); err != nil {
				return "", err
			}
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, list, 0o666)
}

// withHooks is package net's dial.go with hooks.
func withHooks(source string) (string, error) {
	for _, h := range hooked {
		if strings.Count(source, h.head) != 1 {
			return "", fmt.Errorf("this Go has no %q, or more than one: see hooked", strings.TrimSpace(h.head))
		}
		source = strings.Replace(source, h.head, h.head+h.look, 1)
	}
	return source + hook, nil
}

// withInterfaces is a test that asserts, in place of the type of a connection that it closes by halves, an interface: what docs/dropin.md
// says that programs have to do.
func withInterfaces(source string) string {
	for _, call := range []string{"CloseWrite()", "CloseRead()"} {
		with := ".(interface{ " + call + " error })." + call
		source = strings.ReplaceAll(source, ".(*net.TCPConn)."+call, with)
		source = strings.ReplaceAll(source, ".(*TCPConn)."+call, with)
	}
	return source
}
