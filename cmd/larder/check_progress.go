package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// progressBar shows how far something is on a terminal: [=====     ] 52%  310 MiB/s
type progressBar struct {
	out   io.Writer
	on    bool
	began time.Time
	shown time.Time
	drawn bool
}

func newProgressBar(out io.Writer, want bool) *progressBar {
	return &progressBar{out: out, on: want && isTerminal(out), began: time.Now()}
}

const (
	barWidth = 40
	barEvery = 100 * time.Millisecond
)

// at says how many bytes of how many have been read; of 0 is not known.
func (p *progressBar) at(read, of int64) error {
	now := time.Now()
	if !p.on || now.Sub(p.shown) < barEvery {
		return nil
	}
	p.shown, p.drawn = now, true
	rate := float64(read) / max(now.Sub(p.began).Seconds(), 0.001) / (1 << 20)
	if of <= 0 {
		fmt.Fprintf(p.out, "\r%s  %.0f MiB/s  ", size(read), rate)
		return nil
	}
	part := min(1, float64(read)/float64(of))
	n := int(part * barWidth)
	fmt.Fprintf(p.out, "\r[%s%s] %3.0f%%  %.0f MiB/s  ", strings.Repeat("=", n), strings.Repeat(" ", barWidth-n), 100*part, rate)
	return nil
}

// end removes the bar.
func (p *progressBar) end() {
	if p.drawn {
		fmt.Fprintf(p.out, "\r%s\r", strings.Repeat(" ", barWidth+24))
	}
	p.drawn, p.began = false, time.Now()
}
