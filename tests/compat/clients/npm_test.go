package clients

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// npm fetches packages into a temporary folder and runs a program of testdata there.
func npm(t *testing.T, file string, packages ...string) {
	t.Helper()
	if !*live {
		t.Log("libraries of npm are fetched with -live only")
		return
	}
	dir := t.TempDir()
	text, err := os.ReadFile(program(t, file))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, file)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	install := exec.CommandContext(ctx, "npm", append([]string{"install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", dir}, packages...)...)
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm install %v: %v\n%s", packages, err, out)
	}
	cmd := exec.CommandContext(ctx, "node", path)
	cmd.Dir = dir
	runProgram(t, start(t), cmd)
}

func TestIORedis(t *testing.T) { npm(t, "ioredis_client.js", "ioredis@6") }

func TestNodeRedis(t *testing.T) { npm(t, "node_redis_client.js", "redis@6") }

func TestBullMQ(t *testing.T) { npm(t, "bullmq_queue.js", "bullmq@6", "ioredis@6") }
