// Package transfer moves files over one reliable connection. A [Sender] offers
// them, a [Receiver] accepts or refuses each, stores it under a temporary name
// and gives it its own name only when every byte has arrived and its SHA-256
// matches.
//
// # Protocol, version 1
//
// Integers are big-endian. The side that dialled is the sender.
//
//	greeting  = "ebbf" version(1)
//	batch     = count(2) entry*count            count 0 ends the session, at most 1024
//	entry     = mode(2) size(8) length(1) name  mode is permission bits, name 1 to 255 bytes of UTF-8
//	body      = 1 content[size] ending | 2
//	ending    = 1 sha256(32) | 2
//	reply     = code(1) length(2) message       at most 512 bytes of UTF-8, for people
//
// The sender sends its greeting and a batch. The receiver answers with its own
// greeting and one reply per entry, in order: 0 accepts it, any other code
// refuses it. Then the sender sends one body per accepted entry, in order and
// without waiting, while the receiver sends one reply per body: 0 says that the
// file is complete, verified, on the disk and has its name. When all those
// replies are there, the sender sends the next batch, or count 0. So a batch
// costs two round trips however many files it has.
//
// Instead of a body, or behind its content, the sender may send 2: it withdraws
// the file, because it cannot be read or because it has changed since the batch.
//
// A code with bit 7 set ends the session: the receiver reads no more (a full
// disk in the middle of a large file, a peer that breaks the protocol), and the
// sender stops at once. Codes: 1 a name that is not allowed, 2 the name is taken,
// 3 the hash does not match, 4 the receiver could not store the file, 5
// withdrawn, 6 the protocol was broken, 7 a quota is used up, 8 too many senders.
//
// A side that reads another magic or version in the greeting ends the
// connection; it has sent its own greeting by then, so that both can say why.
//
// # What a hostile peer can do
//
// Every length is checked before anything is read for it, and memory does not
// grow with what a peer announces: a session holds one batch (at most about
// 300 KB) and two buffers. Names are single path elements, and the receiver
// works through an [os.Root], so nothing outside its directory is touched,
// symbolic links included. A file can fill the disk, as any upload can, up to
// the [Quota]; it never gets its name then. A peer that falls silent, or
// sends next to nothing, is given up: see [Receiver.Greeting],
// [Receiver.Timeout] and [Receiver.MinRate].
package transfer
