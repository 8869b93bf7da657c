package main

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// netTypes is added to package net's own tests: what they assert in place of its types, as programs have to (docs/dropin.md). Each has the
// methods that *TCPConn and *TCPListener share with Ebb's.
const netTypes = `package net

import (
	"syscall"
	"time"
)

type suiteTCPConn interface {
	Conn
	CloseRead() error
	CloseWrite() error
	SetLinger(sec int) error
	SetNoDelay(bool) error
	SetKeepAlive(bool) error
	SetKeepAlivePeriod(time.Duration) error
	SetKeepAliveConfig(KeepAliveConfig) error
	SetReadBuffer(int) error
	SetWriteBuffer(int) error
	SyscallConn() (syscall.RawConn, error)
}

type suiteTCPListener interface {
	Listener
	SetDeadline(time.Time) error
	SyscallConn() (syscall.RawConn, error)
}
`

// netAbsent are files of tests that do not compile with them; what they have is left out.
var netAbsent = []string{"write_unix_test.go"}

// netUnchanged are the files of tests that are about package net's types themselves.
var netUnchanged = []string{"file_test.go", "mptcpsock_linux_test.go"}

var (
	netAssertion = regexp.MustCompile(`\.\(\*(TCPConn|TCPListener)\)(\.(fd|port|File)\b)?`)
	netCase      = regexp.MustCompile(`(?m)^(\t+case )\*(TCPConn|TCPListener):`)
	netParameter = regexp.MustCompile(`(func\((?:\w+ )?)\*TCPConn\) error`)
)

// netInterfaces has a test of package net assert an interface wherever it asserts a type, but for what only the type has.
func netInterfaces(file, source string) string {
	if slices.Contains(netUnchanged, filepath.Base(file)) {
		return source
	}
	if slices.Contains(netAbsent, filepath.Base(file)) {
		return ""
	}
	source = netAssertion.ReplaceAllStringFunc(source, func(s string) string {
		if !strings.HasSuffix(s, ")") {
			return s
		}
		return strings.Replace(s, "*", "suite", 1)
	})
	source = netCase.ReplaceAllString(source, "${1}suite$2:")
	return netParameter.ReplaceAllString(source, "${1}suiteTCPConn) error")
}

const (
	wantsFile     = "hands the descriptor of a connection or listener on"
	wantsPort     = "looks at the descriptor of a listener"
	wantsSendfile = "counts the system calls of writev, sendfile or splice"
	wantsHook     = "looks through a hook inside of package net, or at its descriptor"
	wantsTypes    = "mixes net.DialTCP or net.ListenTCP, which stay TCP's, with net.Dial or net.Listen"
	wantsError    = "wants one of package net's own errors for a deadline, by =="
	wantsOptions  = "reads options of TCP's from the kernel's socket"
)

// netLeftOut is the tests of package net that say nothing of a transport that is not the kernel's.
var netLeftOut = map[string]string{
	"TestFileConn":                        wantsFile,
	"TestFileListener":                    wantsFile,
	"TestFileError":                       wantsFile,
	"TestFileCloseRace":                   wantsFile,
	"TestSplice":                          wantsFile,
	"TestTCPListener":                     wantsPort,
	"TestDualStackTCPListener":            wantsPort,
	"TestSendfile":                        wantsSendfile,
	"TestSendfileWithExactLimit":          wantsSendfile,
	"TestSendfileWithLimitLargerThanFile": wantsSendfile,
	"TestSendfileWithLargeFile":           wantsSendfile,
	"TestSendfileParts":                   wantsSendfile,
	"TestSendfileSeeked":                  wantsSendfile,
	"TestDialerKeepAlive":                 wantsHook,
	"TestDialContextCancelRace":           wantsHook,
	"TestDialTCPDefaultKeepAlive":         wantsTypes,
	"TestDialContext":                     wantsTypes,
	"TestDialerDualStackFDLeak":           wantsTypes,
	"TestTCPConnKeepAliveConfigDialer":    wantsOptions,
	"TestTCPConnKeepAliveConfigListener":  wantsOptions,
	"TestTCPConnKeepAliveConfig":          wantsOptions,
	"TestEndlessWrite":                    wantsHook,
	"TestBuffers_WriteTo":                 wantsSendfile,
	"TestRawConnReadWrite":                "reads and writes through SyscallConn, which is undefined",
	"TestDialTimeout":                     wantsError,
	"TestDialerFallbackDelay":             wantsHook,
	"TestTCPSpuriousConnSetupCompletion":  wantsError,
	"TestMultiPathTCP":                    "wants Multipath TCP",
	"TestDialerLocalAddr":                 "wants that a *net.UDPAddr is refused as LocalAddr, which Ebb takes",
}
