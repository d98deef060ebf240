//go:build !linux

package main

import (
	"strings"
	"syscall"
	"time"
)

func dialRaw(addr string) (int, error) {
	if strings.HasPrefix(addr, "/") {
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		if err != nil {
			return 0, err
		}
		return fd, syscall.Connect(fd, &syscall.SockaddrUnix{Name: addr})
	}
	ip, port, err := hostPort(addr)
	if err != nil {
		return 0, err
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return 0, err
	}
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: port, Addr: ip}); err != nil {
		syscall.Close(fd)
		return 0, err
	}
	return fd, syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
}

// dialFrom does not choose its address: not every system has more than one for the loopback interface.
func dialFrom(_ byte, addr string) (int, error) { return dialRaw(addr) }

func closeRaw(fd int) { syscall.Close(fd) }

func readRaw(fd int, b []byte) (int, error) { return syscall.Read(fd, b) }

func writeRaw(fd int, b []byte) (int, error) { return syscall.Write(fd, b) }

// threadTime is only known on Linux.
func threadTime() time.Duration { return 0 }

// goFirst does nothing where threads have no such order.
func goFirst() {}
