// Package log makes the server's logger: zap with lines as redis-server writes them, or as JSON.
//
//	12345:M 22 Nov 2026 19:34:11.123 * Ready to accept connections
//	12345:M 22 Nov 2026 19:34:12.001 # Failed to write PID file {"error": "permission denied"}
//
// The line begins with the process, its role (M for a primary, S for a replica) and the time; . - * # stand for the
// levels debug, verbose, notice and warning. They are these levels of zap:
//
//	logger.Log(log.DebugLevel, ...)   debug
//	logger.Debug(...)                 verbose
//	logger.Info(...)                  notice
//	logger.Warn(...), Error(...)      warning
//
// The log goes to standard output or to a file, and to the system's logger too if that is wanted. A file that was moved away is noticed within a second and opened
// again under its name, so that programs which rotate logs need not tell the server.
package log

import (
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// DebugLevel is the level of what only somebody who debugs the server wants to see: below zap's own debug level,
// which is Redis's verbose.
const DebugLevel = zapcore.DebugLevel - 1

// Level is the least important level that is written.
type Level int

// The levels of the directive loglevel, in its order.
const (
	Debug Level = iota
	Verbose
	Notice
	Warning
	Nothing
)

var zapLevels = [...]zapcore.Level{DebugLevel, zapcore.DebugLevel, zapcore.InfoLevel, zapcore.WarnLevel, zapcore.InvalidLevel}

// Options say where lines go and how they look.
type Options struct {
	Path  string // "" is standard output
	JSON  bool
	Level Level
	// Syslog, if not nil, is where lines go as well.
	Syslog *Syslog
	// Clock is for tests; nil is the system's.
	Clock zapcore.Clock
}

// Control changes a logger while it is used. Its methods may be called from any goroutine.
type Control struct {
	level zap.AtomicLevel
	role  atomic.Uint32
	sink  *sink
	json  bool
	aside *syslogLink // nil unless lines go to syslog, too
}

// New opens the log. The error says why the file cannot be opened.
func New(o Options) (*zap.Logger, *Control, error) {
	if o.Clock == nil {
		o.Clock = zapcore.DefaultClock
	}
	sink, err := openSink(o.Path, o.Clock.Now)
	if err != nil {
		return nil, nil, err
	}
	c := &Control{level: zap.NewAtomicLevelAt(zapLevels[o.Level]), sink: sink, json: o.JSON}
	c.SetRole('M')
	core := zapcore.Core(zapcore.NewCore(c.consoleEncoder(), sink, c.level))
	if o.JSON {
		core = roleCore{zapcore.NewCore(jsonEncoder(), sink, c.level), c}
	}
	if o.Syslog == nil {
		return zap.New(core, zap.WithClock(o.Clock)), c, nil
	}
	system := newSyslogCore(*o.Syslog, c.level, o.Clock.Now)
	c.aside = system.link
	logger := zap.New(zapcore.NewTee(core, system), zap.WithClock(o.Clock))
	if err := system.link.err; err != nil {
		logger.Warn("The system's logger cannot be reached; lines go to the log alone until it can", zap.Error(err))
	}
	return logger, c, nil
}

// SetLevel changes what is written from now on.
func (c *Control) SetLevel(l Level) { c.level.SetLevel(zapLevels[l]) }

// SetRole changes the letter behind the process: 'M' for a primary, 'S' for a replica.
func (c *Control) SetRole(role byte) { c.role.Store(uint32(role)) }

// Raw writes text without anything before it, such as a banner, if notices are written; not into a JSON log.
func (c *Control) Raw(text string) {
	if !c.json && c.level.Enabled(zapcore.InfoLevel) {
		_, _ = c.sink.Write([]byte(text)) // as with any line: there is nobody to tell that the log cannot be written
	}
}

// OnOpen calls fn with the log's file, now and whenever it is opened again; never if the log is standard output.
func (c *Control) OnOpen(fn func(*os.File)) {
	s := c.sink
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened = fn
	if s.path != "" {
		fn(s.file)
	}
}

// Reopen opens the file again under its name.
func (c *Control) Reopen() error { return c.sink.reopen() }

// Close ends the log. Lines that come later are lost.
func (c *Control) Close() error {
	if c.aside != nil {
		c.aside.close()
	}
	return c.sink.close()
}

func (c *Control) consoleEncoder() zapcore.Encoder {
	pid := strconv.Itoa(os.Getpid())
	return zapcore.NewConsoleEncoder(zapcore.EncoderConfig{
		TimeKey: "time", LevelKey: "level", MessageKey: "msg", ConsoleSeparator: " ", EncodeDuration: zapcore.StringDurationEncoder,
		EncodeTime: func(t time.Time, out zapcore.PrimitiveArrayEncoder) {
			out.AppendString(fmt.Sprintf("%s:%c %s", pid, c.role.Load(), t.Format("02 Jan 2006 15:04:05.000")))
		},
		EncodeLevel: func(l zapcore.Level, out zapcore.PrimitiveArrayEncoder) { out.AppendString(levelSigns[levelOf(l)]) },
	})
}

func jsonEncoder() zapcore.Encoder {
	return zapcore.NewJSONEncoder(zapcore.EncoderConfig{
		TimeKey: "time", LevelKey: "level", MessageKey: "msg", EncodeDuration: zapcore.StringDurationEncoder,
		EncodeTime:  zapcore.TimeEncoderOfLayout("2006-01-02T15:04:05.000Z07:00"),
		EncodeLevel: func(l zapcore.Level, out zapcore.PrimitiveArrayEncoder) { out.AppendString(levelNames[levelOf(l)]) },
	})
}

var (
	levelSigns = [...]string{".", "-", "*", "#"}
	levelNames = [...]string{"debug", "verbose", "notice", "warning"}
)

func levelOf(l zapcore.Level) Level {
	return Level(min(max(l, DebugLevel), zapcore.WarnLevel) - DebugLevel)
}

// roleCore adds process and role to each line of a JSON log.
type roleCore struct {
	zapcore.Core
	control *Control
}

func (r roleCore) With(fields []zapcore.Field) zapcore.Core {
	return roleCore{r.Core.With(fields), r.control}
}

func (r roleCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if r.Enabled(e.Level) {
		return ce.AddCore(e, r)
	}
	return ce
}

func (r roleCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	role := "primary"
	if r.control.role.Load() == 'S' {
		role = "replica"
	}
	return r.Core.Write(e, append([]zapcore.Field{zap.Int("pid", os.Getpid()), zap.String("role", role)}, fields...))
}
