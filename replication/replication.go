// Package replication is what a primary and its replicas have to agree on, without sockets, clocks or goroutines:
//
//	history.go    which data somebody has: the name of a history of writes and a position in it
//	stream.go     bytes with positions that several readers go through: the backlog, and a snapshot under way
//	link.go       the replica's side of the conversation, from the first PING to the first write
//	payload.go    the snapshot as it comes over the link
//
// All writes of a primary stand one after the other in its stream. A position is the number of bytes before it; it
// goes on counting when the primary changes, so that replicas of the old primary can go on with the new one:
//
//	history 5ca1ab1e…   SELECT 0  SET a 1  SET b 2 |            the old primary, which ends here
//	                                       offset 74
//	history b01dface…                              | SET c 3    its replica, which is the primary now
//	                                                 offset 103
//
// The new primary calls its history b01dface and remembers that it was 5ca1ab1e until 74: who asks for 5ca1ab1e at 40
// gets the bytes from there on, who asks for 5ca1ab1e at 80 had writes that nobody else has, and gets a snapshot.
//
// A replica asks by PSYNC for the byte that it wants first, counted from 1: PSYNC 5ca1ab1e… 41 is position 40.
package replication
