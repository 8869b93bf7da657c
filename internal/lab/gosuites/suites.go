package main

import "strings"

// suite is the tests of a package.
type suite struct {
	testPackage string                           // the package of its external tests, or of its internal ones
	module      string                           // the directory, in this repository, of a module that requires it; empty: it is Go's own
	types       string                           // a file that is added to its internal tests; empty: none
	change      func(file, source string) string // what becomes of a file of tests, beside withInterfaces; empty: it is as if the file were not there
	leftOut     map[string]string                // tests that say nothing of a transport that is not the kernel's, with the reason
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
	"github.com/hashicorp/yamux": {testPackage: "yamux", module: others, change: listens},
	"github.com/xtaci/smux": {testPackage: "smux", module: others, leftOut: map[string]string{
		"Test8GBTransferV1": "takes a quarter of an hour at 10 MB/s, the default limit",
		"Test8GBTransferV2": "takes a quarter of an hour at 10 MB/s, the default limit",
	}},
	"golang.org/x/crypto/ssh":      {testPackage: "ssh", module: others},
	"golang.org/x/crypto/ssh/test": {testPackage: "test", module: others},
}

// others is a module that requires the packages that are not Go's own.
const others = "interop/suites"

// listens has a test call net.Listen where it calls net.ListenTCP for any port, which returns a type of package net's.
func listens(_, source string) string {
	return strings.ReplaceAll(source, `net.ListenTCP("tcp", nil)`, `net.Listen("tcp", ":0")`)
}
