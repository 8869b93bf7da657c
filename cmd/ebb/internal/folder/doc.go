// Package folder moves folders over one reliable connection: what the receiver lacks of them, and nothing that it has.
//
// # Protocol, version 1
//
// Integers are big-endian. The side that dialled is the sender.
//
//	greeting = "ebbt" version(1) flags(1)     flags: 1 compare content, 2 delete, 4 change nothing; the receiver's are 0
//	frame    = type(1) length(4) payload      length at most 65,600
//
// Both sides send a greeting, the receiver when it has read the sender's, and frames behind it. Entries have numbers, from
// 0 on in the order in which they are sent.
//
//	from the sender
//	  1 entry     kind(1) mode(2) seconds(8) nanoseconds(4) size(8) path(2+n) target(2+n)
//	  2 leave     number(8) complete(1)         a folder's entries were all sent, and answered
//	  3 content   number(8)                     begins the content of a file that is wanted
//	  4 data      bytes                         content
//	  5 copy      first(4) count(4)             content: chunks that the receiver has
//	  6 held      bytes(8)                      so much of the content was found to be the receiver's already
//	  7 whole     sha256(32)                    the content is complete
//	  8 same      sha256(32)                    the content is all of the file that the receiver has
//	  9 withdraw  message                       the content does not come, or ends here
//	 10 bye       message                       the sender stops
//	 11 done                                    there is no more, and all is answered
//	from the receiver
//	 32 answer    number(8) code(1) message     the end of an entry, and again of a folder that was left
//	 33 want      number(8) whole(4) chunks(4)  the content of a file, of which so many chunks are here
//	 34 chunks    (length(4) sha256(32))*       they, in order; the first whole ones are the file that has the name now
//	 35 deleted   path                          it was, or would be
//	 36 final     code(1) message               the receiver stops
//	 37 stored                                  all is on the disk
//
// Nobody waits for an answer before the next entry: the sender sends entries while fewer than 1024 have no answer, and
// content as soon as it is wanted. Folders that were not left do not count among them; there are at most 4096 of them. So
// many small files cost their bytes, and a round trip or two in all.
//
// An entry's path begins with the path of a folder that was sent and not left yet, or has one element. A receiver answers a
// file that it has, a folder that it has or has made, a link that it has made; for any other file it says want. Chunks
// are those of package delta for the size of the file that is sent: of the file that has the name, and of files that
// earlier sessions left behind. There are at most 131,072 chunks of all the files that are wanted at a time. The sender
// sends the content as data where the chunks do not have it, and the receiver compares the SHA-256 of the whole.
//
// Messages are for people, at most 512 bytes of UTF-8. Codes of answers: 0 as it is, 1 stored, 2 its mode or time was set, 3
// would be stored; from 16 on it failed: 16 the name, or what a link leads to, is not allowed, 17 taken, 18 the SHA-256
// does not match, 19 storage, 20 withdrawn, 21 protocol, 22 quota, 23 too many senders, 24 its folder was refused, 25 stopped,
// 26 deleting is not allowed.
//
// # What a hostile peer can do
//
// A sender: what package tree lets it do, within the receiver's quota. It cannot have more than 1024 entries, 4096
// folders and 131,072 chunks held in memory; every length is checked before anything is read for it. It may not be silent, or
// slower than a least rate, where its turn is: see [Receiver]. A receiver: nothing but to see the names, and have the
// content, of what it is sent; what it says about chunks decides which bytes are sent, and those it could have had anyway.
package folder
