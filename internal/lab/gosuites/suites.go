package main

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// suite is the tests of a package.
type suite struct {
	testPackage string            // the package of its external tests
	leftOut     map[string]string // tests that say nothing of a transport that is not the kernel's, with the reason
}

// skip is the argument of -test.skip.
func (s suite) skip() string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(s.leftOut)) {
		names = append(names, regexp.QuoteMeta(name))
	}
	if len(names) == 0 {
		return ""
	}
	return "^(" + strings.Join(names, "|") + ")$"
}

// suites are those that can be run. Package net's own are not among them yet: many tests take its types apart, and each has to be named.
var suites = map[string]suite{
	"crypto/tls": {testPackage: "tls_test"},
	"net/http": {testPackage: "http_test", leftOut: map[string]string{
		"TestLinuxSendfile":                  "hands the listener's file to another process",
		"TestHijackAfterCloseNotifier":       "asserts that a connection is a *net.TCPConn",
		"TestTransportRequestWriteRoundTrip": "wraps a *net.TCPConn, to see sendfile",
	}},
}
