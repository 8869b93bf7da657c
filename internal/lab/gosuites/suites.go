package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// suite is the tests of a package.
type suite struct {
	testPackage string                           // the package of its external tests, or of its internal ones
	module      string                           // the directory, in this repository, of a module that requires it; empty: it is Go's own
	types       string                           // a file that is added to its internal tests; empty: none
	change      func(file, source string) string // what becomes of a file of tests, beside withInterfaces; empty: it is as if the file were not there
	parent      string                           // the test of which its tests are parts; empty: they are at the top
	leftOut     map[string]string                // tests that say nothing of a transport that is not the kernel's, with the reason
	wantsRate   map[string]string                // tests for which the default limit of rate is too low, with what they want

	// prepare makes what the tests need over Ebb beside the hook, in dir, and returns what they find of it in the environment; nil: nothing.
	prepare func(ctx context.Context, dir string) (environment []string, err error)
}

// leaves is the tests that are left out, with the reason.
func (s suite) leaves(unlimited bool) map[string]string {
	all := make(map[string]string)
	maps.Copy(all, s.leftOut)
	if !unlimited {
		for name, wants := range s.wantsRate {
			all[name] = wants + "; the default limit is 10 MB/s"
		}
	}
	return all
}

// suites are those that can be run.
var suites = map[string]suite{
	"net":        {testPackage: "net_test", types: netTypes, change: netInterfaces, leftOut: netLeftOut},
	"crypto/tls": {testPackage: "tls_test"},
	"net/http": {testPackage: "http_test", leftOut: map[string]string{
		"TestLinuxSendfile":                  "hands the listener's file to another process",
		"TestHijackAfterCloseNotifier":       "asserts that a connection is a *net.TCPConn",
		"TestTransportRequestWriteRoundTrip": "wraps a *net.TCPConn, to see sendfile",
	}},
	"github.com/hashicorp/yamux": {testPackage: "yamux", module: others, change: listens, wantsRate: map[string]string{
		"TestSendData_Large":     "wants 250 MiB in 10 s",
		"TestSendData_VeryLarge": "wants 16 GiB in 120 s",
	}},
	"github.com/xtaci/smux": {testPackage: "smux", module: others, wantsRate: map[string]string{
		"Test8GBTransferV1": "sends 8 GiB there and back, a quarter of an hour",
		"Test8GBTransferV2": "sends 8 GiB there and back, a quarter of an hour",
	}},
	"golang.org/x/crypto/ssh": {testPackage: "ssh", module: others},
	"golang.org/x/crypto/ssh/test": {testPackage: "test", module: others, prepare: sshOverEbb, leftOut: map[string]string{
		"TestDialTCP":                       sshdForwards,
		"TestPortForwardTCP":                sshdForwards,
		"TestPortForwardConnectionCloseTCP": sshdForwards,
	}},
	"google.golang.org/grpc/test": {testPackage: "test", module: others, parent: "Test"},
}

const sshdForwards = "mixes net.Dial or net.Listen with a port that sshd forwards, which is TCP's"

// others is a module that requires the packages that are not Go's own.
const others = "interop/suites"

// listens has a test call net.Listen where it calls net.ListenTCP for any port, which returns a type of package net's.
func listens(_, source string) string {
	return strings.ReplaceAll(source, `net.ListenTCP("tcp", nil)`, `net.Listen("tcp", ":0")`)
}

// sshOverEbb gives the tests of ssh an OpenSSH client that connects by the command ebb: what they call ssh is a script.
func sshOverEbb(ctx context.Context, dir string) ([]string, error) {
	client, err := exec.LookPath("ssh")
	if err != nil {
		return nil, nil // its tests skip
	}
	command, script := filepath.Join(dir, "ebb"), filepath.Join(dir, "ssh")
	if _, err := ask(ctx, "", "build", "-o", command, "example.com/ebb/cmd/ebb"); err != nil {
		return nil, err
	}
	content := fmt.Sprintf("#!/bin/sh\nexec %s -o 'ProxyCommand=%s pipe --plain %%h:%%p' \"$@\"\n", client, command)
	return []string{"SSH_CLI_PATH=" + script}, os.WriteFile(script, []byte(content), 0o777)
}
