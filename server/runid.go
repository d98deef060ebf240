package server

import (
	"crypto/rand"
	"encoding/hex"
)

// newRunID is 40 random hexadecimal digits: the name of one run of a server, and of one replication history.
func newRunID() string {
	var b [20]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
