package server

import (
	"sync"
	"sync/atomic"
)

// stats are the server's counts since the start or the last CONFIG RESETSTAT.
type stats struct {
	connections, rejected, commands atomic.Uint64
	queryBufferKills, outputKills   atomic.Uint64
	authFailures, evictedClients    atomic.Uint64
	blocked                         atomic.Int64

	mu     sync.Mutex
	errors map[string]uint64 // replies by their code
}

func (st *stats) addErrors(counts map[string]uint64) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.errors == nil {
		st.errors = map[string]uint64{}
	}
	for code, n := range counts {
		st.errors[code] += n
	}
}
