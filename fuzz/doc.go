// Package fuzz holds fuzz targets and their corpora; it has no other code. Each
// target begins with the packets in testdata/packets and with what is in
// testdata/fuzz.
//
//	go test ./fuzz -run '^$' -fuzz '^FuzzPacket$' -fuzzminimizetime 10x
//
// Without a limit the fuzzer spends up to a minute on making one packet of 1200 bytes
// shorter, and tries no other meanwhile.
package fuzz
