package log

import (
	"fmt"
	"log/syslog"
	"sync"
	"time"

	"go.uber.org/zap/zapcore"
)

// Syslog says how lines are filed by the system's logger, beside the log's own file.
type Syslog struct {
	Ident    string          // the program's name in each line
	Facility syslog.Priority // syslog.LOG_LOCAL0 and the like

	network, address string // of the logger; empty is the system's own
}

// Priorities of the levels, as redis-server gives them.
var syslogPriorities = [...]syslog.Priority{syslog.LOG_DEBUG, syslog.LOG_INFO, syslog.LOG_NOTICE, syslog.LOG_WARNING}

// dialEvery is how long a logger that cannot be reached is left alone.
const dialEvery = time.Second

// syslogCore hands lines to the system's logger: the message and its fields, without what the logger adds by itself. A
// logger that cannot be reached, or goes away, is tried again with later lines; those that come meanwhile are only in
// the log's own file.
type syslogCore struct {
	zapcore.LevelEnabler
	encoder zapcore.Encoder
	link    *syslogLink // shared by all cores that With makes
}

type syslogLink struct {
	Syslog
	now func() time.Time

	mu    sync.Mutex
	w     *syslog.Writer // nil while it is not reached
	tried time.Time
	err   error // why it was not reached when last tried
}

// newSyslogCore also connects. link.err tells whether that worked.
func newSyslogCore(s Syslog, level zapcore.LevelEnabler, now func() time.Time) *syslogCore {
	c := &syslogCore{
		LevelEnabler: level,
		encoder: zapcore.NewConsoleEncoder(zapcore.EncoderConfig{
			MessageKey: "msg", ConsoleSeparator: " ", EncodeDuration: zapcore.StringDurationEncoder, SkipLineEnding: true,
		}),
		link: &syslogLink{Syslog: s, now: now},
	}
	c.link.reach()
	return c
}

// reach connects unless that is done or was tried a moment ago. It tells whether there is a connection. The link's lock is
// held, or nobody else knows of it yet.
func (l *syslogLink) reach() bool {
	if l.w != nil {
		return true
	}
	if at := l.now(); !l.tried.IsZero() && at.Sub(l.tried) < dialEvery {
		return false
	} else {
		l.tried = at
	}
	l.w, l.err = syslog.Dial(l.network, l.address, l.Facility|syslog.LOG_NOTICE, l.Ident)
	return l.err == nil
}

// write files one line. An error ends the connection.
func (l *syslogLink) write(p syslog.Priority, line string) (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.reach() {
		return fmt.Errorf("syslog: %w", l.err)
	}
	switch p {
	case syslog.LOG_DEBUG:
		err = l.w.Debug(line)
	case syslog.LOG_INFO:
		err = l.w.Info(line)
	case syslog.LOG_NOTICE:
		err = l.w.Notice(line)
	default:
		err = l.w.Warning(line)
	}
	if err != nil {
		l.drop()
	}
	return err
}

func (l *syslogLink) drop() {
	if l.w != nil {
		_ = l.w.Close() // it is broken or not wanted any more
		l.w = nil
	}
}

func (l *syslogLink) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop()
}

func (c *syslogCore) With(fields []zapcore.Field) zapcore.Core {
	with := *c
	with.encoder = c.encoder.Clone()
	for _, f := range fields {
		f.AddTo(with.encoder)
	}
	return &with
}

func (c *syslogCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

// Write never fails: the line stands in the log's own file, and who logs is not to hear of the system's logger.
func (c *syslogCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	b, err := c.encoder.EncodeEntry(e, fields)
	if err != nil {
		return nil
	}
	_ = c.link.write(syslogPriorities[levelOf(e.Level)], b.String())
	b.Free()
	return nil
}

func (c *syslogCore) Sync() error { return nil }
