// Package matrix is the scenarios in which congestion control is judged, as code: what lies between
// the hosts, who sends, what is measured, and the bar.
//
// Every scenario runs engines over package simnet in virtual time, so a run is bit for bit the same
// on every machine and takes as long as its packets. A scenario has cases; a case runs once a seed
// and yields figures. Their median and worst over the seeds are compared with its bars.
//
// To run one row with one mode and a few seeds:
//
//	go run ./cmd/ebb sim 4 --seeds 2 --congestion-control ledbat++
//	go run ./cmd/ebb sim 6 --case "40 ms, 1 BDP" --seeds 1
//	go run ./cmd/ebb sim --quick --seeds 1         (all rows, shortened, some with fewer cases)
//	go run ./cmd/ebb sim N4 --traces DIR           (and recorded mobile links)
//	go run ./cmd/ebb sim --list
//
// or with any [congestion.Factory], from Go:
//
//	cases, err := matrix.Select("4", "7")
//	report := matrix.Run(ctx, matrix.Plan{Subject: factory, Seeds: 2}, cases)
//	report.WriteTable(os.Stdout)
//
// # What the figures mean
//
// Packets are of at most 1500 bytes with IP and UDP headers, links are drop-tail unless the case says
// otherwise, a KB is 1000 bytes. Goodput is stream bytes that the receiver's application has read,
// times what a stream byte has cost on the link: a flow that fills the link without repeating a byte has
// 100 %. "Keep" is a competitor's goodput over its goodput with nobody else there, in the same time
// of the same seed. Queues are measured at the bottleneck, once a millisecond. The first ten seconds
// after the last flow began are excluded, except where a start is what is measured. A seed moves the
// flows' starts by up to a round trip and draws losses, jitter and reordering.
package matrix
