package main

import (
	"os"
	"syscall"
)

// daemonMark is set in the environment of the process that runs in the background.
const daemonMark = "LARDER_DAEMON"

func isDaemon() bool { return os.Getenv(daemonMark) != "" }

// daemonize starts this program again, in a session of its own and without a terminal, and returns while that one goes
// on. A Go process cannot fork: it has threads from its first moment. What was read from standard input is handed on.
func daemonize(program string, args []string, stdin []byte) error {
	executable, err := os.Executable()
	if err != nil {
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	input := null
	handOn := func() {}
	if len(stdin) > 0 {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		defer w.Close()
		input = r
		handOn = func() { // before this process ends; without a reader here a child that has failed holds nobody up
			_ = r.Close()
			_, _ = w.Write(stdin) // a child that does not read it has failed, and there is nobody left to say so
		}
	}
	words := []string{program}
	if !isRedisServer(program) {
		words = append(words, "serve")
	}
	child, err := os.StartProcess(executable, append(words, args...), &os.ProcAttr{
		Env:   append(os.Environ(), daemonMark+"=1"),
		Files: []*os.File{input, null, null},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	handOn()
	if err != nil {
		return err
	}
	return child.Release()
}
