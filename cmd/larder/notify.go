package main

import (
	"net"
	"os"
	"syscall"

	"go.uber.org/zap"

	"larder/server/config"
)

// supervisor is who started the server and waits to hear that it is ready. "auto" looks at the environment.
func supervisor(mode config.SupervisedMode) config.SupervisedMode {
	upstart, systemd := os.Getenv("UPSTART_JOB") != "", os.Getenv("NOTIFY_SOCKET") != ""
	switch {
	case upstart && (mode == config.SupervisedUpstart || mode == config.SupervisedAuto):
		return config.SupervisedUpstart
	case systemd && (mode == config.SupervisedSystemd || mode == config.SupervisedAuto):
		return config.SupervisedSystemd
	}
	return config.SupervisedNo
}

// tellReady tells the supervisor that clients can connect.
func tellReady(manager config.SupervisedMode, logger *zap.Logger) {
	switch manager {
	case config.SupervisedSystemd:
		if err := notify("STATUS=Ready to accept connections\nREADY=1\n"); err != nil {
			logger.Warn("systemd supervision: cannot send a notification", zap.Error(err))
		}
	case config.SupervisedUpstart:
		if err := syscall.Kill(os.Getpid(), syscall.SIGSTOP); err != nil {
			logger.Warn("upstart supervision: cannot stop for upstart", zap.Error(err))
		}
	}
}

// tellStopping tells the supervisor that the server is on its way out.
func tellStopping(manager config.SupervisedMode) {
	if manager == config.SupervisedSystemd {
		_ = notify("STOPPING=1\n") // the process ends anyway, which systemd sees
	}
}

// notify sends a message to systemd's socket. A name with @ stands in the abstract namespace.
func notify(message string) error {
	name := os.Getenv("NOTIFY_SOCKET")
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte(message))
	return err
}
