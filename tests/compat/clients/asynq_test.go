package clients

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
)

// asynq keeps tasks in lists, sorted sets and hashes that scripts change.
func TestAsynq(t *testing.T) {
	opt := asynq.RedisClientOpt{Addr: start(t)}
	c, in := asynq.NewClient(opt), asynq.NewInspector(opt)
	t.Cleanup(func() { c.Close(); in.Close() })
	library := version("asynq", "github.com/hibiken/asynq")
	add := func(kind string, opts ...asynq.Option) error {
		_, err := c.Enqueue(asynq.NewTask(kind, []byte("data")), opts...)
		return err
	}
	info := func(t *testing.T) *asynq.QueueInfo { return must[*asynq.QueueInfo](t)(in.GetQueueInfo("default")) }

	try(t, library, "connect", func(t *testing.T) {
		same(t, c.Ping(), nil)
	})
	try(t, library, "script", func(t *testing.T) {
		same(t, add("later", asynq.TaskID("one"), asynq.ProcessIn(time.Hour)), nil)
		same(t, errors.Is(add("later", asynq.TaskID("one")), asynq.ErrTaskIDConflict), true)
		same(t, info(t).Scheduled, 1)
		same(t, in.ArchiveTask("default", "one"), nil)
		same(t, in.RunTask("default", "one"), nil)
		same(t, in.DeleteTask("default", "one"), nil)
		same(t, info(t).Size, 0)
	})
	try(t, library, "lock", func(t *testing.T) {
		same(t, add("alone", asynq.Unique(time.Hour), asynq.ProcessIn(time.Hour)), nil)
		same(t, errors.Is(add("alone", asynq.Unique(time.Hour)), asynq.ErrDuplicateTask), true)
		same(t, must[int](t)(in.DeleteAllScheduledTasks("default")), 1)
	})
	try(t, library, "queue", func(t *testing.T) {
		for range 50 {
			same(t, add("plain", asynq.Retention(time.Hour)), nil)
		}
		for range 6 {
			same(t, add("member", asynq.Group("g")), nil)
		}
		same(t, add("delayed", asynq.ProcessIn(50*time.Millisecond), asynq.Retention(time.Hour)), nil)
		same(t, add("second time", asynq.MaxRetry(3), asynq.Retention(time.Hour)), nil)
		same(t, add("hopeless"), nil)

		var tries, members atomic.Int64
		mux := asynq.NewServeMux()
		mux.HandleFunc("plain", func(_ context.Context, task *asynq.Task) error {
			_, err := task.ResultWriter().Write([]byte("done"))
			return err
		})
		mux.HandleFunc("delayed", func(context.Context, *asynq.Task) error { return nil })
		mux.HandleFunc("second time", func(context.Context, *asynq.Task) error {
			if tries.Add(1) == 1 {
				return errors.New("not now")
			}
			return nil
		})
		mux.HandleFunc("hopeless", func(context.Context, *asynq.Task) error { return fmt.Errorf("no: %w", asynq.SkipRetry) })
		mux.HandleFunc("all", func(_ context.Context, task *asynq.Task) error {
			members.Add(int64(len(task.Payload())))
			return nil
		})
		s := asynq.NewServer(opt, asynq.Config{
			Concurrency: 8, LogLevel: asynq.FatalLevel,
			TaskCheckInterval: 20 * time.Millisecond, DelayedTaskCheckInterval: 20 * time.Millisecond,
			RetryDelayFunc:   func(int, error, *asynq.Task) time.Duration { return 0 },
			GroupGracePeriod: time.Second, GroupMaxSize: 3,
			GroupAggregator: asynq.GroupAggregatorFunc(func(_ string, tasks []*asynq.Task) *asynq.Task {
				return asynq.NewTask("all", make([]byte, len(tasks)))
			}),
		})
		same(t, s.Start(mux), nil)
		defer s.Shutdown()
		until(t, "52 completed tasks, one given up, six members", func() bool {
			q := info(t)
			return q.Completed == 52 && q.Archived == 1 && members.Load() == 6 && q.Active == 0
		})
		same(t, tries.Load(), int64(2))
		done := must[[]*asynq.TaskInfo](t)(in.ListCompletedTasks("default", asynq.PageSize(100)))
		results := 0
		for _, task := range done {
			if string(task.Result) == "done" {
				results++
			}
		}
		same(t, results, 50)
		same(t, len(must[[]*asynq.ServerInfo](t)(in.Servers())), 1)
	})
}
