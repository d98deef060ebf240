package main

import (
	"errors"
	"os"
	"strconv"
	"strings"
)

// The kernel shows as the process's title what stands in its memory where the arguments were put at the start; a title that is
// longer may go on into the environment behind them. Both are copied to other places first.

// freeTitle makes the program independent of the memory that its arguments and environment were put into.
func freeTitle() {
	for i, a := range os.Args {
		os.Args[i] = strings.Clone(a)
	}
	env := os.Environ()
	os.Clearenv()
	for _, e := range env {
		if at := strings.IndexByte(e[min(1, len(e)):], '='); at >= 0 {
			os.Setenv(strings.Clone(e[:at+1]), strings.Clone(e[at+2:]))
		}
	}
}

// setTitle replaces the title. freeTitle was called before.
func setTitle(title string) error {
	start, end, err := titleRoom()
	if err != nil {
		return err
	}
	b := make([]byte, end-start)
	copy(b[:len(b)-1], title) // a byte of zero ends it
	mem, err := os.OpenFile("/proc/self/mem", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = mem.WriteAt(b, start)
	return errors.Join(err, mem.Close())
}

// titleRoom is where the arguments begin in memory and where the room ends that a title may take.
func titleRoom() (start, end int64, err error) {
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0, 0, err
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:])) // from the third on
	const argStart = 48 - 3
	if len(fields) < argStart+4 {
		return 0, 0, errors.New("this kernel does not tell where arguments are")
	}
	var at [4]int64 // of arguments and environment the beginning and the end
	for i := range at {
		if at[i], err = strconv.ParseInt(fields[argStart+i], 10, 64); err != nil {
			return 0, 0, err
		}
	}
	end = at[1]
	if at[2] == at[1] && at[3] > at[2] {
		end = at[3]
	}
	if at[0] <= 0 || end <= at[0] {
		return 0, 0, errors.New("this kernel hides where arguments are")
	}
	return at[0], end, nil
}
