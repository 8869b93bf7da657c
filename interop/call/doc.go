// Call measures what a video call loses when an Ebb transfer runs beside it: pion's implementation of WebRTC's
// congestion control (Google Congestion Control over transport-wide feedback), fed by a synthetic video source, over
// the laboratory's path, with and without an Ebb connection that sends as much as it may.
//
//	go -C interop/call run . --netlab ../../../netlab
//	go -C interop/call run . --rounds 1 --quick
//
// The call has a source of 30 frames a second, whose size follows the estimate of GCC, up to a bound: 2.5 Mbit/s, as
// browsers have it. Its packets go through pion's pacer and its interceptors as RTP over UDP; ICE, DTLS and
// SRTP are left out, since they do not decide when a packet leaves. Each packet carries the times when its
// frame was made and when it left; both ends have the same clock.
//
// A run is a call of 40 s; Ebb starts after 5. The first 15 s are left out. Rounds take turns: alone, beside Ebb. The figures
// are the call's rate beside Ebb as a part of what it has alone, and how much the 95th percentile of the
// delay, from the frame to the packet's arrival, has risen. Rounds in which the laboratory stalled are repeated. The
// status is 1 if a bar is missed, and 77 without Linux, root or the laboratory.
//
// The program is a module of its own, because pion is nothing that Ebb depends on.
package main
