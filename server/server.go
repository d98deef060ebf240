// Package server is the server: it owns everything, and decides in which order things start, run and stop.
//
//	server.go     Server: what there is, start and stop
//	turn.go       one turn of a loop: cut all requests, stage all, run all
//	dispatch.go   one request: the gates in their order, the shards, the handler
//	after.go      what follows from a command: who has to hear of it
//	executor.go   what each loop has for running commands; stopping the world
//	session.go    one client
//	multi.go      transactions; blocking.go clients that wait for keys
//	janitor.go    what is done between commands: expiry, freeing, giving memory back
//	*.go          and one file for each family of commands about the server itself and its clients
//
// A request's way: netloop reads it, Turn cuts it and looks it up, dispatch asks the gates, takes the shards of its keys
// and runs the row's handler (package command), after drains what the handler recorded, netloop sends the reply.
package server

import (
	"context"
	"hash/maphash"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"larder/keyspace"
	"larder/persistence"
	"larder/server/acl"
	"larder/server/command"
	"larder/server/command/spec"
	"larder/server/config"
	"larder/server/netloop"
	"larder/server/resp"
	"larder/server/script"
)

// Server is one server process's whole state.
type Server struct {
	conf *config.Store
	log  *zap.Logger

	ks     *keyspace.Keyspace
	engine *netloop.Engine
	table  *command.Table

	rows     []*command.Row      // by ID
	known    map[*spec.Spec]bool // those that have a row
	rowCount int

	loops     int         // event loops
	executors []*executor // of the engine's loops, then the janitor's
	janitor   *executor
	linker    *executor     // of the link to a primary
	world     sync.Mutex    // held by who stops the world
	worlds    atomic.Uint64 // how often that was done
	settling  settling

	started time.Time
	runID   string

	commandConf  atomic.Pointer[command.Conf]
	limits       atomic.Pointer[resp.Limits]
	unauthLimits atomic.Pointer[resp.Limits]

	tcp, tls []*netloop.Listener
	unix     *netloop.Listener
	listening
	secure   secureState
	owedMost atomic.Int64 // see tightenOutputs
	tight    atomic.Bool

	access accessControl

	outputLimits  atomic.Pointer[config.OutputLimits]
	recording     atomic.Bool // every change is recorded, whatever the shards' interest
	loading       atomic.Bool
	patience_ms   atomic.Int64 // see beginLoading
	loadingAside  atomic.Bool  // a replica loads beside its data, which is served meanwhile
	ended         atomic.Bool  // the last snapshot was written: nothing may change any more
	activeExpire  atomic.Bool  // DEBUG SET-ACTIVE-EXPIRE
	cronPaused    atomic.Bool  // DEBUG PAUSE-CRON
	signals       signals
	skipChecksums atomic.Bool // DEBUG SET-SKIP-CHECKSUM-VALIDATION
	allowNoScript atomic.Bool // DEBUG SET-DISABLE-DENY-SCRIPTS
	timeAll       atomic.Bool // every command is timed, not only now and then
	dirty         atomic.Int64
	liveHeap      atomic.Int64  // bytes that the last collection of the Go heap has left
	arrivals      atomic.Uint64 // of blocked clients

	defrag defragPlan

	engines     atomic.Int32 // in which scripts run
	busyScripts atomic.Int32 // that have run for too long
	scripts     scriptCache
	functions   functions
	stray       sync.Mutex // held by a script that may touch keys which it did not declare
	debugs      debugSessions
	copyOf      *debugCopy // not nil if this is the copy of a server in which a script is debugged

	journal  journal
	group    atomic.Pointer[group] // nil unless this server is a member of one
	guard    guard
	sentinel atomic.Pointer[sentinel]
	disk     persistence.Disk
	temps    atomic.Int64 // that tempName has given

	clockStep_ms atomic.Int64 // as if the time of day had been set, for tests
	repl         replicas
	keys         persistence.Keys // of encryption-key-file
	saver        snapshots
	aof          appendOnly
	moves        moves
	backup       backups
	setter       *executor // of who changes the configuration, while the world is stopped
	hubs         hubs
	tracker      tracker
	monitors     monitors
	pause        pauseState
	copies       copies
	clients      clientList
	stats        stats

	observer  observer
	watchdog  watchdog
	futile_ms atomic.Int64 // until then no client is looked for that could be evicted

	peak                    atomic.Int64 // memory, in bytes
	processSeen             atomic.Pointer[processFigures]
	base                    int64        // of that, the Go heap at the start
	startup                 int64        // all of it at the start
	program                 atomic.Int64 // what the process takes besides the data and its clients; see noteProgram
	blamed_ms               atomic.Int64 // when the log said last that keys go because of clients
	programStart, heapStart int64        // the same, and the Go heap, at the start

	logs       commandLogs
	latency    latencyMonitor
	tracking   atomic.Bool                 // run times are kept in histograms
	histograms []atomic.Pointer[histogram] // by row ID

	ballast     []byte     // never touched; see ballastSize
	garbageLock sync.Mutex // of boundGarbage
	garbage     garbage

	RoleChanged func(replica bool) // is called when the server becomes a replica, or a primary; set before Run

	ready    chan struct{} // closed when clients can connect
	stopping chan struct{} // closed by shutdown
	stopOnce sync.Once
	stopped  chan struct{} // closed when Run is over
}

// processors is how many this process may use, by its affinity and its control group, before a server takes its share.
var processors = runtime.GOMAXPROCS(0)

// shardBytes is the memory that a shard may take, for tests of what comes when the system gives no more; 0: as much as it can name.
var shardBytes int64

// Check finds mistakes in a configuration that only who knows the commands can see: in rename-command, and in the rules of
// users. New finds them, too, but by then there is a log, and the process may be in the background.
func Check(conf *config.Store) error {
	if len(conf.Renames())+len(conf.Users()) == 0 {
		return nil
	}
	srv := &Server{conf: conf}
	if err := srv.buildTable(); err != nil {
		return err
	}
	return srv.declareUsers()
}

// New makes a server that does not listen yet.
func New(conf *config.Store, log *zap.Logger) (*Server, error) {
	if err := adoptCacheMode(conf, log); err != nil {
		return nil, err
	}
	srv, err := build(conf, log, nil)
	if err != nil {
		return nil, err
	}
	if err := srv.loadUsers(); err != nil {
		srv.ks.Close()
		return nil, err
	}
	return srv, nil
}

// build makes a server without users; of is nil but for the copy of a server for a debugger.
func build(conf *config.Store, log *zap.Logger, of *debugCopy) (*Server, error) {
	srv := &Server{
		copyOf: of,
		conf:   conf, log: log, started: time.Now(), runID: newRunID(),
		ready: make(chan struct{}), stopping: make(chan struct{}), stopped: make(chan struct{}),
		hubs: newHubs(), tracker: newTracker(), disk: persistence.OS,
	}
	srv.functions.set.Store(&script.Libraries{})
	srv.debugs.bound = memoryBound
	srv.repl.init()
	srv.journal.repl = &srv.repl
	srv.guard.wake = make(chan struct{}, 1)
	srv.watchdog.changed = make(chan struct{}, 1)
	srv.loops = int(conf.EventLoops.Get())
	if srv.loops == 0 {
		srv.loops = processors
	}
	if of == nil {
		srv.ballast = make([]byte, ballastSize)
	}
	if os.Getenv("GOMAXPROCS") == "" { // loops may fill the processors, and others still have to get a turn
		runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), srv.loops+1+srv.loops/8))
	}
	srv.secure.turnstile = make(turnstile, max(1, runtime.GOMAXPROCS(0)-srv.loops))
	seed := maphash.MakeSeed()
	ks, err := keyspace.New(keyspace.Options{
		Shards:    shardsFor(int(conf.Shards.Get()), srv.loops),
		Databases: int(conf.Databases.Get()),
		Hash:      func(key []byte) uint64 { return maphash.Bytes(seed, key) },
		Seed:      rand.Uint64(),
		HugePages: !conf.DisableTHP.Get(),
		MaxBytes:  shardBytes,
	})
	if err != nil {
		return nil, err
	}
	srv.ks = ks
	if err := srv.buildTable(); err != nil {
		ks.Close()
		return nil, err
	}
	srv.engine, err = netloop.New(srv, netloop.Options{
		Loops:     srv.loops,
		TickEvery: tickEvery,
		KeepAlive: time.Duration(conf.TCPKeepalive.Get()) * time.Second,
		Portable:  of != nil,
		AtDoor:    srv.roomAtDoor,
	})
	if err != nil {
		ks.Close()
		return nil, err
	}
	for i, l := range srv.engine.Loops() {
		ex := newExecutor(srv, l, rand.Uint64()+uint64(i))
		l.User = ex
		srv.executors = append(srv.executors, ex)
	}
	srv.janitor = newExecutor(srv, nil, rand.Uint64())
	srv.linker = newExecutor(srv, nil, rand.Uint64())
	srv.executors = append(srv.executors, srv.janitor, srv.linker)
	srv.followConfig()
	return srv, nil
}

// buildTable makes the command table out of every family's rows.
func (srv *Server) buildTable() error {
	srv.table = command.NewTable(command.Rows(), rows)
	srv.access.commands = acl.NewCommands(spec.All())
	srv.access.users = acl.NewUsers(srv.access.commands)
	for _, r := range srv.conf.Renames() {
		if err := srv.renameCommand(r); err != nil {
			return err
		}
	}
	srv.rowCount = srv.table.Number()
	srv.rows = make([]*command.Row, srv.rowCount)
	srv.access.byRow = make([]*acl.Command, srv.rowCount)
	srv.known = make(map[*spec.Spec]bool, srv.rowCount)
	srv.histograms = make([]atomic.Pointer[histogram], srv.rowCount)
	for _, r := range srv.table.Rows() {
		for _, r := range append([]*command.Row{r}, r.Subs...) {
			srv.rows[r.ID] = r
			srv.known[r.Spec] = true
			srv.access.byRow[r.ID] = srv.access.commands.Of(r.Spec)
		}
	}
	return nil
}

// ballastSize is the size of an allocation that is never touched, and so takes no memory: the data stands outside the
// Go heap, and without it the collector would run for every few megabytes that connections make.
const ballastSize = 64 << 20

// tickEvery is how often a loop looks after its clients' times.
const tickEvery = 100 * time.Millisecond

// Run listens and serves until ctx is done or a client has said SHUTDOWN, then stops in order.
func (srv *Server) Run(ctx context.Context) error {
	defer close(srv.stopped)
	srv.log.Info("Server initialized")
	err := srv.fitMaxClients()
	if err == nil {
		err = srv.listen()
	}
	if err == nil {
		err = srv.observe()
	}
	if err != nil {
		srv.ks.Close()
		return err
	}
	srv.writePidFile()
	runtime.GC()                                                                        // until the first one it is not known what is garbage
	srv.base = min(max(0, readMetrics("/gc/heap/live:bytes")[0]-ballastSize), mostBase) // the ballast takes no memory
	srv.startup = srv.notePeak()
	srv.noteProgram()
	srv.garbage.start = goHeapHeld()
	srv.watchHeap()
	srv.beginStart()
	srv.engine.Start()
	go srv.endWith(ctx)
	if err = srv.startGroup(); err == nil {
		err = srv.loadAtStart()
	}
	if err != nil {
		srv.ended.Store(true) // what could not be loaded must never be replaced by what was
		srv.shutdown()
		srv.endLoading()
		srv.stopGroup()
		srv.engine.Stop(time.Second)
		srv.stopObserving()
		srv.aof.hold.Release()
		srv.removeFiles()
		srv.ks.Close()
		return err
	}
	srv.dataLoaded()
	srv.followReplicaOf()
	var helpers sync.WaitGroup
	helpers.Go(srv.keepHouse)
	helpers.Go(srv.hurryScripts)
	helpers.Go(srv.watchCertificates)
	helpers.Go(srv.keepGuard)
	helpers.Go(srv.keepWatch)
	srv.log.Info("Ready to accept connections")
	close(srv.ready)
	<-srv.stopping
	helpers.Wait()
	srv.stopGroup()
	srv.endLink()
	srv.debugs.running.Wait()
	srv.moves.end()
	srv.saver.background.Wait()
	srv.engine.Stop(time.Second)
	srv.stopObserving()
	srv.closeLog()
	srv.removeFiles()
	srv.log.Warn("Redis is now ready to exit, bye bye...")
	srv.janitor.enter() // who ended the server with it lets go of the shards first
	defer srv.janitor.leave()
	srv.ks.Close()
	return nil
}

// Ready is closed when clients can connect.
func (srv *Server) Ready() <-chan struct{} { return srv.ready }

// Shutdown ends the server as SHUTDOWN does: it writes the last snapshot if the save points or how ask for one, then Run
// returns. If the snapshot cannot be written, and how does not insist, the server goes on.
func (srv *Server) Shutdown(how config.Shutdown) {
	if srv.handsOver(how) {
		srv.shutdownUnless(srv.repl.closing.beginHanding(), how)
	} else {
		srv.shutdownUnless(nil, how)
	}
}

// shutdownUnless is Shutdown, which begins with a planned switch if there is something by which that can be called off.
func (srv *Server) shutdownUnless(calledOff <-chan struct{}, how config.Shutdown) {
	if srv.ended.Load() {
		return
	}
	srv.endDebugging()
	if calledOff != nil {
		srv.handOver(calledOff)
	}
	ex := srv.janitor
	ex.enter()
	defer ex.leave()
	if srv.ended.Load() { // somebody else was quicker, and the shards may be gone
		return
	}
	ex.stopWorld()
	defer ex.startWorld()
	if calledOff != nil && srv.repl.closing.endHanding(calledOff) {
		return
	}
	ex.setTime()
	ex.view.Take(srv.ks.All())
	defer ex.view.Release()
	if !srv.closeLater(ex, how, nil) && !srv.end(ex, how) {
		srv.stayOpen()
	}
}

// end is Shutdown for a caller that has stopped the world and holds all shards. It tells whether the server ends.
func (srv *Server) end(ex *executor, how config.Shutdown) bool {
	if srv.ended.Load() {
		return true
	}
	srv.log.Warn("User requested shutdown...")
	if !srv.saveAtEnd(ex, how) {
		return false
	}
	srv.ended.Store(true)
	srv.shutdown()
	return true
}

// endWith ends the server when ctx is done, whether or not its data could be saved.
func (srv *Server) endWith(ctx context.Context) {
	select {
	case <-ctx.Done():
		srv.Shutdown(config.ShutdownForce | config.ShutdownNow)
	case <-srv.stopping:
	}
}

// shutdown makes Run end. It may be called several times.
func (srv *Server) shutdown() { srv.stopOnce.Do(func() { close(srv.stopping) }) }
