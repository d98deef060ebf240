package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// pingCommand asks a running server for a sign of life: the health check of an image that has no other program.
func pingCommand(stdout io.Writer) *cobra.Command {
	addr := os.Getenv("LARDER_ADDR")
	if addr == "" {
		addr = "127.0.0.1:6379"
	}
	user, wait := "", time.Second
	cmd := &cobra.Command{
		Use:   "ping",
		Short: "Ask a running server for a sign of life",
		Long: `Ask a running server for a sign of life. The exit code is 0 if it answers PONG, and 1 if it does not answer in
time, or with an error: that it is loading, for example.

The address is that of --addr or LARDER_ADDR: host:port, or the path of a unix socket. The password is taken from
LARDER_PASSWORD.`,
		Example: "  larder ping\n  larder ping --addr 10.0.0.1:7000\n  LARDER_PASSWORD=secret larder ping --addr /run/larder/larder.sock",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			reply, err := pingServer(addr, user, os.Getenv("LARDER_PASSWORD"), wait)
			if err != nil {
				return err
			}
			fmt.Fprintln(stdout, reply)
			return nil
		},
	}
	cmd.Flags().StringVar(&addr, "addr", addr, "host:port, or the path of a unix socket")
	cmd.Flags().StringVar(&user, "user", user, "the user that the password is of")
	cmd.Flags().DurationVar(&wait, "timeout", wait, "how long the answer may take")
	return cmd
}

// pingServer sends PING, after AUTH if there is a password, and gives the answer unless it is an error.
func pingServer(addr, user, password string, wait time.Duration) (string, error) {
	network := "tcp"
	if strings.Contains(addr, "/") {
		network = "unix"
	}
	deadline := time.Now().Add(wait)
	conn, err := net.DialTimeout(network, addr, wait)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(deadline); err != nil {
		return "", err
	}
	var requests [][]string
	switch {
	case password != "" && user != "":
		requests = append(requests, []string{"AUTH", user, password})
	case password != "":
		requests = append(requests, []string{"AUTH", password})
	}
	requests = append(requests, []string{"PING"})
	in, reply := bufio.NewReader(conn), ""
	for _, words := range requests {
		text := fmt.Sprintf("*%d\r\n", len(words))
		for _, w := range words {
			text += fmt.Sprintf("$%d\r\n%s\r\n", len(w), w)
		}
		if _, err := io.WriteString(conn, text); err != nil {
			return "", err
		}
		if reply, err = in.ReadString('\n'); err != nil {
			return "", err
		}
		reply = strings.TrimRight(reply, "\r\n")
		if !strings.HasPrefix(reply, "+") {
			return "", fmt.Errorf("the server answers %s", reply)
		}
	}
	return reply[1:], nil
}
