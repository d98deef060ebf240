// Larder is an in-memory cache server that any Redis client can talk to.
//
//	larder serve [redis.conf | -] [--directive value ...]     run the server
//	larder witness --group NAME --listen ADDR --peers ADDR,ADDR the third voter of a pair
//	larder check rdb|aof FILE [--fix]                         verify and repair files
//	larder ping [--addr host:port]                          ask a running server for a sign of life
//	larder version                                            say which version this is
//	larder help [command]                                     what there is, with examples
//
// It takes the place of redis-server where that is called: `larder /etc/redis/redis.conf --port 7000` serves, and so
// does the binary under the name redis-server or valkey-server, whatever its arguments. Under the names of their tools for files it
// checks files.
//
// main.go decides which command is meant, serve.go runs the server and is the one place where configuration, log,
// process and server meet; daemon.go, notify.go, oomscore_*.go, pages_*.go and title*.go are what the system wants of a
// server process, crash.go what it leaves when it ends badly; witness.go is a member of a group without data; check*.go look
// at files; directives.go lists the configuration for those who ask.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"larder/server"
)

func main() {
	freeTitle()
	end := profile()
	code := run(os.Args, os.Stdin, os.Stdout, os.Stderr)
	end()
	os.Exit(code)
}

// run is the program with its surroundings as arguments; it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if isRedisServer(args[0]) {
		return asRedisServer(args, stdin, stdout, stderr)
	}
	if isSentinel(args[0]) {
		return noSentinel(args[0], stderr)
	}
	root := rootCommand(args[0], stdin, stdout, stderr)
	kind := checks(args[0])
	args = args[1:]
	if kind != "" {
		args = append([]string{"check", kind}, args...)
	} else if meansServe(root, args) {
		args = append([]string{"serve"}, args...)
	}
	root.SetArgs(args)
	err := root.Execute()
	var code exitCode
	switch {
	case err == nil:
		return 0
	case asExitCode(err, &code):
		return int(code)
	}
	fmt.Fprintf(stderr, "larder: %v\n", err)
	return 1
}

// isRedisServer tells whether the program was called under that name, or Valkey's.
func isRedisServer(program string) bool { return calledAs(program, "server") }

// isSentinel tells whether the program was called as what looks after servers.
func isSentinel(program string) bool { return calledAs(program, "sentinel") }

// noSentinel answers who wants a sentinel, by the program's name or by --sentinel: what it is given is no server's configuration.
func noSentinel(program string, stderr io.Writer) int {
	fmt.Fprintf(stderr, "%s: Larder is no sentinel. A real one can watch it, and a failover group needs none: its members\n"+
		"answer what clients ask a sentinel, at sentinel-port. \"larder help\" tells more.\n", filepath.Base(program))
	return 1
}

// checks is which files the program looks at under the name that it was called under; "" if it is none of those.
func checks(program string) string {
	for _, kind := range []string{"rdb", "aof"} {
		if calledAs(program, "check-"+kind) {
			return kind
		}
	}
	return ""
}

// calledAs tells whether the program was called under the name of a tool of Redis or Valkey. Their packages have one binary
// under several names, and so has who puts this one in its place.
func calledAs(program, tool string) bool {
	name := filepath.Base(program)
	return strings.HasPrefix(name, "redis-"+tool) || strings.HasPrefix(name, "valkey-"+tool)
}

// exitCode ends the program with a code other than 0, after everything that there was to say has been said.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

func asExitCode(err error, code *exitCode) bool {
	c, ok := err.(exitCode)
	if ok {
		*code = c
	}
	return ok
}

// meansServe reports whether arguments that do not begin with a command are a redis-server command line: options of
// the configuration, "-", or a file.
func meansServe(root *cobra.Command, args []string) bool {
	if len(args) == 0 || slices.Contains([]string{"-h", "--help", "-v", "--version"}, args[0]) {
		return false
	}
	if strings.HasPrefix(args[0], "-") {
		return true
	}
	if found, _, err := root.Find(args[:1]); err == nil && found != root || args[0] == "help" || args[0] == "completion" {
		return false
	}
	// A word that is neither a command nor a file is a misspelt command.
	_, err := os.Stat(args[0])
	return err == nil || strings.ContainsAny(args[0], "./")
}

// asRedisServer is the program under the name redis-server.
func asRedisServer(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 1 {
		switch args[1] {
		case "-v", "--version":
			fmt.Fprintf(stdout, "Redis server v=%s sha=%s:0 malloc=larder bits=%d build=larder-%s\n", server.RedisVersion, server.Commit, wordBits, server.Version)
			return 0
		case "-h", "--help":
			fmt.Fprint(stderr, redisServerHelp)
			return 1
		}
	}
	return serve(invocation{program: args[0], args: args[1:], stdin: stdin, stdout: stdout, stderr: stderr})
}

const redisServerHelp = `Usage: redis-server [/path/to/redis.conf] [options] [-]
       redis-server - (read the configuration from standard input)
       redis-server -v or --version
       redis-server -h or --help

Examples:
       redis-server (with the default configuration)
       echo 'maxmemory 128mb' | redis-server -
       redis-server /etc/redis/6379.conf
       redis-server --port 7777 --loglevel verbose
       redis-server /etc/redis/6379.conf --port 7777

This is Larder under the name redis-server; "larder help" tells more.
`

func rootCommand(program string, stdin io.Reader, stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "larder",
		Short: "An in-memory cache server that any Redis client can talk to",
		Long: `Larder is an in-memory cache server that any Redis client can talk to.

It reads the configuration files of Redis and takes its place:

  larder serve                                  listen on port 6379 with the default configuration
  larder serve /etc/redis/redis.conf            with a configuration file
  larder serve --port 7000 --maxmemory 2gb      with options: any directive of the file, with two dashes
  larder /etc/redis/redis.conf --port 7000      the same as with "serve", for scripts that start redis-server

Then, from another terminal:

  redis-cli ping
  redis-benchmark -P 16 -t set,get`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		CompletionOptions: cobra.CompletionOptions{
			HiddenDefaultCmd: true,
		},
		SuggestionsMinimumDistance: 2,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.Flags().BoolP("version", "v", false, "print the version")
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.AddCommand(serveCommand(program, stdin, stdout, stderr), checkCommand(stdout, stderr), witnessCommand(), pingCommand(stdout), versionCommand(), directivesTopic())
	return root
}
