package main

import (
	"fmt"
	"math/bits"
	"runtime"

	"github.com/spf13/cobra"

	"larder/server"
)

const wordBits = bits.UintSize

// version is one line that begins "Larder server v=".
func version() string {
	return fmt.Sprintf("Larder server v=%s commit=%s redis=%s bits=%d %s %s/%s",
		server.Version, server.Commit, server.RedisVersion, wordBits, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print which version this is",
		Long: `Print Larder's version, the commit it was built from, and the version of redis-server
whose commands, replies and files it follows.`,
		Args: cobra.NoArgs,
		Run:  func(cmd *cobra.Command, _ []string) { fmt.Fprintln(cmd.OutOrStdout(), version()) },
	}
}
