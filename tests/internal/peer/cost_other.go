//go:build !linux

package peer

import (
	"errors"
	"os/exec"
	"time"
)

var errLinux = errors.New("only measured on Linux")

// RSS is measured on Linux alone.
func (s *Server) RSS() (int64, error) { return 0, errLinux }

// ChildrenPrivate is measured on Linux alone.
func (s *Server) ChildrenPrivate() int64 { return 0 }

// CPU is measured on Linux alone.
func (s *Server) CPU() (time.Duration, error) { return 0, errLinux }

// Pin does nothing where threads cannot be bound to processors.
func Pin(...int) error { return nil }

func startOn(cmd *exec.Cmd, _ []int) error { return cmd.Start() }

// StartPinned starts the command; processors cannot be chosen here.
func StartPinned(cmd *exec.Cmd, _ ...int) error { return cmd.Start() }
