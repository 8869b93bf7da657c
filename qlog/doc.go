// Package qlog writes and reads traces of connections as the IETF's qlog has them: a file per connection, a JSON Text Sequence
// (RFC 7464) of application/qlog+json-seq, with the events of draft-ietf-quic-qlog-quic-events-12 where QUIC has such an event and with
// events of its own namespace, ebb, where it has none. Tools for QUIC read them; "ebb qlog" draws them.
//
// Most programs need nothing of this package: where the environment variable QLOGDIR names a directory, every connection
// whose Config has no Tracer is traced there.
//
// A trace has addresses, ports and connection IDs, sizes and times, and the words of errors. It has no byte of what the application
// sends or receives, no key and no cookie.
package qlog

// What the header of a file says.
const (
	fileSchema  = "urn:ietf:params:qlog:file:sequential"
	mediaType   = "application/qlog+json-seq"
	quicEvents  = "urn:ietf:params:qlog:events:quic-12"
	ownEvents   = "https://example.com/112026/ebb"
	extension   = ".sqlog"
	recordStart = 0x1e // RFC 7464 section 2.2
)
