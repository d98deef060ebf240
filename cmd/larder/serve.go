package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/syslog"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"larder/server"
	"larder/server/config"
	"larder/server/log"
)

func serveCommand(program string, stdin io.Reader, stdout, stderr io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "serve [redis.conf | -] [--directive value ...]",
		Short: "Run the server",
		Long: `Run the server until it is told to stop: by SIGTERM, by Ctrl-C, or by the command SHUTDOWN.

The configuration is a file as Redis has it; "-" reads it from standard input. Each of its directives is also an
option, which wins over the file. Values with a unit are sizes: 100mb, 2gb.`,
		Example: `  larder serve
  larder serve /etc/redis/redis.conf
  larder serve --port 7000 --bind 127.0.0.1 ::1 --requirepass "open sesame"
  larder serve redis.conf --maxmemory 2gb --loglevel verbose
  echo 'port 7000' | larder serve -`,
		// The options are the configuration's, in Redis's form.
		DisableFlagsInUseLine: true,
		DisableFlagParsing:    true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && (args[0] == "-h" || args[0] == "--help") {
				return cmd.Help()
			}
			if code := serve(invocation{program: program, args: args, stdin: stdin, stdout: stdout, stderr: stderr}); code != 0 {
				return exitCode(code)
			}
			return nil
		},
	}
}

// invocation is how serve was called.
type invocation struct {
	program        string // as the caller named it
	args           []string
	stdin          io.Reader
	stdout, stderr io.Writer
}

// serve runs the server and returns the exit code.
func serve(inv invocation) int {
	if slices.Contains(inv.args, "--sentinel") {
		return noSentinel(inv.program, inv.stderr)
	}
	conf := config.New()
	src := config.ParseArgs(inv.args)
	var stdin bytes.Buffer // what was read, for the process that goes on in the background
	err := conf.Load(src, io.TeeReader(inv.stdin, &stdin))
	if err == nil {
		err = server.Check(conf)
	}
	if err != nil {
		fmt.Fprintf(inv.stderr, "\n%v\n", err)
		return 1
	}
	manager := supervisor(conf.Supervised.Get())
	if conf.Daemonize.Get() && manager == config.SupervisedNo && !isDaemon() {
		if err := tryLogFile(conf); err != nil {
			return noLogFile(inv.stderr, err)
		}
		if err := daemonize(inv.program, inv.args, stdin.Bytes()); err != nil {
			fmt.Fprintf(inv.stderr, "Cannot go to the background: %v\n", err)
			return 1
		}
		return 0
	}
	logger, control, err := openLog(conf)
	if err != nil {
		return noLogFile(inv.stderr, err)
	}
	defer control.Close()
	greet(inv, conf, src, logger, control)
	followTitle(conf, inv.program, logger)
	if err := runServer(conf, logger, control, manager); err != nil {
		logger.Warn(err.Error())
		return 1
	}
	return 0
}

// noLogFile says that the log file cannot be opened, and returns the exit code.
func noLogFile(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "\n%v\n", &config.Error{Reason: "Can't open the log file: " + config.SystemError(err).Error()})
	return 1
}

// tryLogFile opens the log file as the process in the background is about to do, which has nobody to tell that it cannot.
func tryLogFile(conf *config.Store) error {
	path := logPath(conf)
	if path == "" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return pathCause(err)
	}
	return file.Close()
}

// logPath is where the log file is, "" if there is none.
func logPath(conf *config.Store) string {
	if path := conf.LogFile.Get(); path != "" {
		return conf.Path(path)
	}
	return ""
}

// pathCause is what the system says of a file, without the file's name.
func pathCause(err error) error {
	var cause *os.PathError
	if errors.As(err, &cause) {
		return cause.Err
	}
	return err
}

// openLog makes the logger that the configuration asks for, and keeps it at the level that CONFIG SET says.
func openLog(conf *config.Store) (*zap.Logger, *log.Control, error) {
	o := log.Options{Path: logPath(conf), JSON: conf.LogFormat.Get() == config.LogJSON, Level: log.Level(conf.LogLevel.Get())}
	if conf.SyslogEnabled.Get() {
		o.Syslog = &log.Syslog{Ident: conf.SyslogIdent.Get(), Facility: syslogFacility(conf.SyslogFacility.Get())}
	}
	logger, control, err := log.New(o)
	if err != nil {
		return nil, nil, pathCause(err)
	}
	conf.OnChange(func() error { control.SetLevel(log.Level(conf.LogLevel.Get())); return nil }, "loglevel")
	return logger, control, nil
}

// syslogFacility is the number that the system knows a facility by.
func syslogFacility(f config.SyslogFacility) syslog.Priority {
	if f == config.FacilityUser {
		return syslog.LOG_USER
	}
	return syslog.LOG_LOCAL0 + syslog.Priority(f-config.FacilityLocal0)<<3
}

// greet writes the first lines of the log: who this is, with which configuration, and what of it does nothing.
func greet(inv invocation, conf *config.Store, src config.Source, logger *zap.Logger, control *log.Control) {
	logger.Info("oO0OoO0OoO0Oo Larder is starting oO0OoO0OoO0Oo")
	logger.Info(fmt.Sprintf("Larder version=%s, redis_version=%s, bits=%d, commit=%s, pid=%d, just started",
		server.Version, server.RedisVersion, wordBits, server.Commit, os.Getpid()))
	if src == (config.Source{}) {
		logger.Warn(fmt.Sprintf("Warning: no config file specified, using the default config. In order to specify a config file use %s /path/to/redis.conf", inv.program))
	} else {
		logger.Info("Configuration loaded")
	}
	for _, i := range conf.Ignored() {
		logger.Warn(fmt.Sprintf("%s, line %d: '%s' has no effect: %s", i.Where.File, i.Where.Line, i.Name, i.Because))
	}
	if conf.AlwaysShowLogo.Get() || conf.LogFile.Get() == "" && isTerminal(inv.stdout) {
		control.Raw(banner(int(conf.Port.Get())))
	} else {
		logger.Info(fmt.Sprintf("Running mode=standalone, port=%d.", conf.Port.Get()))
	}
}

// banner is the picture at the head of the log. Tools find the process by its line " PID: 1234".
func banner(port int) string {
	return fmt.Sprintf(`
     ________
    |  o  o  |     Larder %s (%s) %d bit
    |--------|     speaks Redis %s
    |  O  oo |
    |--------|     Running in standalone mode
    | oo  O  |     Port: %d
    |________|     PID: %d

`, server.Version, server.Commit, wordBits, server.RedisVersion, port, os.Getpid())
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// runServer serves until a signal or a client ends it.
func runServer(conf *config.Store, logger *zap.Logger, control *log.Control, manager config.SupervisedMode) error {
	scoreRole, err := followOOMScore(conf, logger)
	if err != nil {
		return err
	}
	if conf.Daemonize.Get() && conf.PidFile.Get() == "" {
		if err := conf.Adopt("pidfile", defaultPidFile); err != nil {
			return err
		}
	}
	srv, err := server.New(conf, logger)
	if err != nil {
		return err
	}
	srv.RoleChanged = func(replica bool) {
		if replica {
			control.SetRole('S')
		} else {
			control.SetRole('M')
		}
		scoreRole(replica)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	defer handleCrashes(conf, control, logger, srv)()
	defer handleSignals(logger, control, srv, func(sig os.Signal) {
		how := conf.ShutdownOnSigterm.Get()
		if sig == syscall.SIGINT {
			how = conf.ShutdownOnSigint.Get()
		}
		srv.ShutdownBySignal(how)
	})()
	go func() {
		select {
		case <-srv.Ready():
			tellReady(manager, logger)
			dropStartPages()
		case <-ctx.Done():
		}
	}()
	err = srv.Run(ctx)
	tellStopping(manager)
	return err
}

// defaultPidFile is where a server in the background that has no pidfile notes its process.
const defaultPidFile = "/var/run/redis.pid"

// handleSignals has SIGTERM and SIGINT stop the server, SIGHUP open the log file again and read the TLS certificates, and
// SIGALRM write to the log where all goroutines are.
// SIGINT while the server is stopping ends the process at once. The function it returns ends the handling.
func handleSignals(logger *zap.Logger, control *log.Control, srv *server.Server, stop func(sig os.Signal)) (end func()) {
	signal.Ignore(syscall.SIGPIPE) // a reader of the log that went away must not end the server
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGALRM)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case sig := <-signals:
				switch {
				case sig == syscall.SIGHUP:
					if err := control.Reopen(); err != nil {
						logger.Warn("Cannot open the log file again", zap.Error(err))
					}
					srv.ReloadTLS()
				case sig == syscall.SIGALRM:
					logger.Warn("Received SIGALRM")
					srv.ReportStacks()
				case sig == syscall.SIGINT && srv.InShutdown():
					logger.Warn("You insist... exiting now.")
					srv.Abandon()
					os.Exit(1)
				default:
					logger.Warn(fmt.Sprintf("Received %s scheduling shutdown...", signalName(sig)))
					stop(sig)
				}
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}

func signalName(sig os.Signal) string {
	if sig == syscall.SIGINT {
		return "SIGINT"
	}
	return "SIGTERM"
}
