package clients

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/centrifugal/centrifuge"
)

// Centrifuge's nodes know of each other, share what is published, its history and who is present through a server:
// publish/subscribe, streams, and scripts for everything.
func TestCentrifuge(t *testing.T) {
	addr := start(t)
	library := version("Centrifuge", "github.com/centrifugal/centrifuge")
	node := func() *centrifuge.Node {
		n := must[*centrifuge.Node](t)(centrifuge.New(centrifuge.Config{}))
		shard := must[*centrifuge.RedisShard](t)(centrifuge.NewRedisShard(n, centrifuge.RedisShardConfig{Address: addr}))
		shards := []*centrifuge.RedisShard{shard}
		n.SetBroker(must[*centrifuge.RedisBroker](t)(centrifuge.NewRedisBroker(n, centrifuge.RedisBrokerConfig{Shards: shards})))
		n.SetPresenceManager(must[*centrifuge.RedisPresenceManager](t)(centrifuge.NewRedisPresenceManager(n, centrifuge.RedisPresenceManagerConfig{Shards: shards})))
		return n
	}
	a, b := node(), node()
	told := make(chan string, 1)
	for _, n := range []*centrifuge.Node{a, b} {
		n.OnNotification(func(e centrifuge.NotificationEvent) { told <- string(e.Data) })
		if err := n.Run(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Shutdown(context.Background()) })
	}
	history := func(t *testing.T, opts ...centrifuge.HistoryOption) centrifuge.HistoryResult {
		t.Helper()
		return must[centrifuge.HistoryResult](t)(b.History("news", opts...))
	}

	try(t, library, "connect", func(t *testing.T) {
		until(t, "two nodes that know of each other", func() bool {
			return len(must[centrifuge.Info](t)(a.Info()).Nodes) == 2 && len(must[centrifuge.Info](t)(b.Info()).Nodes) == 2
		})
	})
	try(t, library, "pub/sub", func(t *testing.T) {
		same(t, a.Notify("op", []byte("hello"), b.ID()), nil)
		same(t, <-told, "hello")
	})
	try(t, library, "stream", func(t *testing.T) {
		for i := range 20 {
			r := must[centrifuge.PublishResult](t)(a.Publish("news", fmt.Appendf(nil, "%d", i), centrifuge.WithHistory(10, time.Minute)))
			same(t, r.Offset, uint64(i+1))
		}
		got := history(t, centrifuge.WithLimit(centrifuge.NoLimit))
		same(t, []any{len(got.Publications), got.Offset, string(got.Publications[0].Data)}, []any{10, uint64(20), "10"})
		got = history(t, centrifuge.WithLimit(2), centrifuge.WithSince(&centrifuge.StreamPosition{Offset: 15, Epoch: got.Epoch}))
		same(t, []any{len(got.Publications), got.Publications[0].Offset}, []any{2, uint64(16)})
		got = history(t, centrifuge.WithLimit(2), centrifuge.WithReverse(true))
		same(t, []any{len(got.Publications), got.Publications[0].Offset}, []any{2, uint64(20)})
	})
	try(t, library, "script", func(t *testing.T) {
		for i, n := range []*centrifuge.Node{a, b} { // the second time the key is known
			r := must[centrifuge.PublishResult](t)(n.Publish("news", []byte("once"), centrifuge.WithHistory(10, time.Minute), centrifuge.WithIdempotencyKey("key")))
			same(t, []any{r.Offset, r.Suppressed}, []any{uint64(21), i == 1})
		}
		same(t, a.RemoveHistory("news"), nil)
		same(t, len(history(t, centrifuge.WithLimit(centrifuge.NoLimit)).Publications), 0)
		same(t, must[centrifuge.PresenceStatsResult](t)(b.PresenceStats("news")).NumClients, 0)
	})
}
