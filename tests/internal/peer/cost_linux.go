package peer

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// RSS is the process's resident memory in bytes, counted page by page by the kernel: the cheap counters in
// /proc/PID/status may be off by some dozen pages per thread.
func (s *Server) RSS() (int64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", s.PID()))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "Rss:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("no Rss in smaps_rollup of process %d", s.PID())
}

// ChildrenPrivate is what the process's children take that they share with nobody, in bytes: what a fork costs.
func (s *Server) ChildrenPrivate() (sum int64) {
	list, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, entry := range list {
		pid := entry.Name()
		if stat, err := os.ReadFile("/proc/" + pid + "/stat"); err != nil || parentOf(string(stat)) != s.PID() {
			continue
		}
		b, err := os.ReadFile("/proc/" + pid + "/smaps_rollup")
		if err != nil {
			continue // it has ended
		}
		for _, line := range strings.Split(string(b), "\n") {
			if name, rest, ok := strings.Cut(line, ":"); ok && strings.HasPrefix(name, "Private_") {
				kib, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
				sum += kib << 10
			}
		}
	}
	return sum
}

// parentOf is the fourth field of /proc/PID/stat. The second is a name in parentheses, which may hold anything.
func parentOf(stat string) (pid int) {
	if fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:]); len(fields) > 1 {
		pid, _ = strconv.Atoi(fields[1])
	}
	return pid
}

// CPU is the processor time that the process has used so far, all threads, exact to the scheduler's clock.
func (s *Server) CPU() (time.Duration, error) {
	// The clock id of another process, as clock_getcpuclockid makes it: ~pid in the upper bits, 2 for "scheduler".
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^s.PID()<<3|2), &t); err != nil {
		return 0, err
	}
	return time.Duration(t.Nano()), nil
}

// Pin keeps every thread of this process, and threads and processes started later, on the given processors.
func Pin(cpus ...int) error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	set := cpuSet(cpus)
	for _, t := range tasks {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		if err := unix.SchedSetaffinity(id, &set); err != nil && err != unix.ESRCH {
			return err
		}
	}
	return nil
}

// startOn starts the command on the given processors: a child inherits the affinity of the thread that forks it.
func startOn(cmd *exec.Cmd, cpus []int) error {
	if len(cpus) == 0 {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	set := cpuSet(cpus)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return err
	}
	err := cmd.Start()
	if back := unix.SchedSetaffinity(0, &before); err == nil {
		err = back
	}
	return err
}

// StartPinned starts any command on the given processors.
func StartPinned(cmd *exec.Cmd, cpus ...int) error { return startOn(cmd, cpus) }

func cpuSet(cpus []int) (set unix.CPUSet) {
	for _, c := range cpus {
		set.Set(c)
	}
	return set
}
