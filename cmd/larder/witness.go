package main

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"larder/server"
	"larder/server/log"
)

// witnessCommand is `larder witness`: the third voter of a pair, without data.
func witnessCommand() *cobra.Command {
	o := server.WitnessOptions{}
	c := &cobra.Command{
		Use:   "witness",
		Short: "Run the third voter of a pair: it has no data, and decides with the others who is primary",
		Long: `Run the third voter of a failover group that has two data nodes. It keeps no data and needs next to nothing, but it has
to stand on a machine of its own: whoever of the two nodes reaches it may go on when the other one is lost.

The other members are named as in the directive failover-peers. With --sentinel-port it tells clients that know Redis
Sentinel who is primary. LARDER_FAILOVER_SECRET holds the group's secret, and LARDER_SENTINEL_PASSWORD a password that such
clients have to give, so that they are not seen in the list of processes.`,
		Example: `  larder witness --group main --listen 10.0.0.3:7379 --peers 10.0.0.1:7379,10.0.0.2:7379 --dir /var/lib/larder-witness
  larder witness --group main --listen 10.0.0.3:7379 --peers 10.0.0.1:7379,10.0.0.2:7379 --sentinel-port 26379`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return runWitness(o) },
	}
	f := c.Flags()
	f.StringVar(&o.Group, "group", "", "name of the failover group")
	f.StringVar(&o.Listen, "listen", "", "address of the failover port, host:port")
	f.StringVar(&o.Announce, "announce", "", "how the others reach that port, if it is not the same")
	f.StringSliceVar(&o.Peers, "peers", nil, "failover addresses of the other members")
	f.StringVar(&o.Dir, "dir", ".", "folder in which it remembers what it voted for")
	f.StringVar(&o.Profile, "profile", "default", "how fast the group reacts: default, tight or wide, as with the others")
	f.IntVar(&o.SentinelPort, "sentinel-port", 0, "port for clients that ask Sentinel who is primary; 0 for none")
	f.StringSliceVar(&o.Bind, "bind", []string{"127.0.0.1", "-::1"}, "addresses of the sentinel port")
	return c
}

func runWitness(o server.WitnessOptions) error {
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE) // a terminal, or a reader of the log, that went away must not cost the group a voter
	o.Secret = os.Getenv("LARDER_FAILOVER_SECRET")
	o.Password = os.Getenv("LARDER_SENTINEL_PASSWORD")
	o.Group = strings.TrimSpace(o.Group)
	logger, control, err := log.New(log.Options{})
	if err != nil {
		return err
	}
	defer control.Close()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := server.RunWitness(ctx, o, logger); err != nil {
		logger.Warn("The witness cannot run", zap.Error(err))
		return err
	}
	return nil
}
