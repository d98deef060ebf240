package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"larder/persistence"
)

// checkOptions are what all kinds of checks know.
type checkOptions struct {
	fix      bool
	keyFile  string
	until_s  int64
	out      io.Writer
	progress *progressBar
	keys     persistence.Keys
}

func checkCommand(stdout, stderr io.Writer) *cobra.Command {
	o := &checkOptions{out: stdout}
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Verify and repair snapshots and append-only files",
		Long: `Verify and repair the files of a server that does not run. Files of redis-server are understood, too.

The exit code is 0 if a file is whole or was repaired, and 1 otherwise.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { // who forgets the kind must not take that for a whole file
			return errors.New("check what? \"larder check rdb FILE\", or \"larder check aof FILE\"")
		},
	}
	cmd.PersistentFlags().BoolVar(&o.fix, "fix", false, "repair what can be repaired")
	cmd.PersistentFlags().StringVar(&o.keyFile, "key-file", "", "the keys of encrypted files (encryption-key-file)")
	quiet := cmd.PersistentFlags().Bool("quiet", false, "show no progress")
	run := func(check func(o *checkOptions, path string) error) func(*cobra.Command, []string) error {
		return func(_ *cobra.Command, args []string) error {
			if o.keyFile != "" {
				b, err := os.ReadFile(o.keyFile)
				if err == nil {
					o.keys, err = persistence.ParseKeys(b)
				}
				if err != nil {
					return err
				}
			}
			o.progress = newProgressBar(stderr, !*quiet)
			return check(o, args[0])
		}
	}
	rdb := &cobra.Command{
		Use:   "rdb FILE",
		Short: "Verify a snapshot, its checksum and every value in it",
		Long: `Verify a snapshot, its checksum and every value in it, and say what it holds.

With --fix the keys before the damage are written to a new file of the same name; the damaged one stays beside it.`,
		Example: "  larder check rdb /var/lib/redis/dump.rdb\n  larder check rdb --fix dump.rdb",
		Args:    cobra.ExactArgs(1),
		RunE:    run(checkRDB),
	}
	aof := &cobra.Command{
		Use:   "aof FILE",
		Short: "Verify append-only files: a manifest and all it names, or one file",
		Long: `Verify append-only files: a manifest and all the files that it names, or one file alone.

With --fix an incomplete end is cut off, and so is everything from a damage on; what is cut off a damaged file is kept
beside it. With --truncate-to-timestamp everything goes that was logged later (aof-timestamp-enabled).`,
		Example: "  larder check aof appendonlydir/appendonly.aof.manifest\n  larder check aof --fix appendonlydir/appendonly.aof.3.incr.aof",
		Args:    cobra.ExactArgs(1),
		RunE:    run(checkAOF),
	}
	aof.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed("truncate-to-timestamp") && o.until_s < 1 {
			return fmt.Errorf("%d is no moment in Unix seconds", o.until_s)
		}
		return nil
	}
	aof.Flags().Int64Var(&o.until_s, "truncate-to-timestamp", 0, "cut off what was logged after this moment, in Unix seconds")
	cmd.AddCommand(rdb, aof)
	return cmd
}

var typeNames = [...]string{"string", "list", "set", "zset", "hash", "stream"}

func checkRDB(o *checkOptions, path string) error {
	vo := persistence.VerifyOptions{Keys: o.keys, Progress: o.progress.at}
	rep, err := persistence.Verify(path, vo)
	o.progress.end()
	if persistence.Unjudged(err) {
		return fmt.Errorf("%s: %w", path, err)
	}
	o.report(path, &rep)
	if err == nil {
		fmt.Fprintf(o.out, "%s is whole.\n", path)
		return nil
	}
	fmt.Fprintf(o.out, "%s is damaged: %v\n", path, err)
	if !o.fix {
		if rep.Version > 0 {
			fmt.Fprintln(o.out, "With --fix the keys before the damage can be kept.")
		}
		return exitCode(1)
	}
	rep, old, err := persistence.Repair(persistence.OS, path, vo)
	o.progress.end()
	if err != nil {
		return fmt.Errorf("%s cannot be repaired: %w", path, err)
	}
	fmt.Fprintf(o.out, "%s has the %d keys before the damage now; what it was is %s.\n", path, rep.Keys, old)
	if rep.Written != rep.Version {
		fmt.Fprintf(o.out, "It is of RDB version %d now: version %d is read here, and not written.\n", rep.Written, rep.Version)
	}
	return nil
}

// report says what a snapshot holds.
func (o *checkOptions) report(path string, rep *persistence.SnapshotReport) {
	if rep.Version == 0 {
		return
	}
	fmt.Fprintf(o.out, "%s: RDB version %d, %s", path, rep.Version, size(rep.Size))
	if rep.Sealed {
		fmt.Fprint(o.out, ", encrypted")
	}
	if rep.NoChecksum {
		fmt.Fprint(o.out, ", without a checksum")
	}
	fmt.Fprintln(o.out)
	for _, a := range rep.Aux {
		fmt.Fprintf(o.out, "  %s: %s\n", printed(a.Name), printed(a.Value))
	}
	fmt.Fprintf(o.out, "  %d keys, %d of them expire, %d are over; %d libraries of functions\n", rep.Keys, rep.Volatile, rep.Over, len(rep.Functions))
	for t, r := range rep.Types {
		if r.Keys > 0 {
			fmt.Fprintf(o.out, "  %-7s %10d keys %12s   the largest is %q with %s\n", typeNames[t], r.Keys, size(r.Bytes), r.Key, size(r.Largest))
		}
	}
}

func checkAOF(o *checkOptions, path string) error {
	if is, err := isManifest(path); err != nil {
		return err
	} else if !is {
		return o.logFile(path, false, true)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	m, err := persistence.ParseManifest(text)
	if err != nil {
		fmt.Fprintf(o.out, "%s is damaged: %v\n", path, err)
		return exitCode(1)
	}
	var names []string
	if m.Base != nil {
		names = append(names, m.Base.Name)
	}
	for _, f := range m.Incr {
		names = append(names, f.Name)
	}
	bad := error(nil)
	for i, name := range names {
		promised := i == 0 && m.Base != nil && strings.HasSuffix(name, ".rdb")
		err := o.logFile(filepath.Join(filepath.Dir(path), name), promised, !o.anyBehind(path, names[i+1:]))
		if err == nil {
			continue
		}
		if code := exitCode(0); !errors.As(err, &code) { // it has not been said yet
			fmt.Fprintln(o.out, err)
		}
		bad = exitCode(1)
	}
	if bad == nil {
		fmt.Fprintf(o.out, "All files of %s are whole.\n", path)
	}
	return bad
}

// anyBehind tells whether the files that a manifest names behind another one have a command, or are not whole. What follows them is
// empty after a crash in the beginning of a rewrite: the server cuts the torn file before it, as if that were the last one.
func (o *checkOptions) anyBehind(manifest string, names []string) bool {
	for _, name := range names {
		res, err := persistence.Scan(filepath.Join(filepath.Dir(manifest), name), persistence.ScanOptions{Keys: o.keys})
		if err != nil || res.Torn != persistence.NotTorn || res.Content > 0 {
			return true
		}
	}
	return false
}

// isManifest tells whether a file is one, by its name or, as redis-check-aof does it, by what its first line begins with.
func isManifest(path string) (bool, error) {
	if strings.HasSuffix(path, ".manifest") {
		return true, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	head := make([]byte, 1<<10)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return false, err
	}
	for line := range bytes.Lines(head[:n]) {
		if line[0] != '#' {
			return bytes.HasPrefix(line, []byte("file ")), nil
		}
	}
	return false, nil
}

// errLater ends the look at a file where the moment is passed that it is to be cut at.
var errLater = errors.New("later")

// logFile checks one file: a snapshot, commands, or commands behind a snapshot. promised: it has to begin with a snapshot;
// last: nothing follows it.
func (o *checkOptions) logFile(path string, promised, last bool) error {
	from := int64(0)
	if rdb, err := o.beginsWithSnapshot(path); err != nil {
		return err
	} else if rdb {
		rep, err := persistence.Verify(path, persistence.VerifyOptions{Keys: o.keys, Progress: o.progress.at})
		o.progress.end()
		if persistence.Unjudged(err) {
			return fmt.Errorf("%s: %w", path, err)
		}
		o.report(path, &rep)
		if err != nil {
			fmt.Fprintf(o.out, "%s is damaged: %v\n", path, err)
			return exitCode(1)
		}
		if from = rep.Bytes; rep.Sealed || from == rep.Size {
			fmt.Fprintf(o.out, "%s is whole.\n", path)
			return nil
		}
	} else if promised {
		fmt.Fprintf(o.out, "%s is damaged: no snapshot stands there.\n", path)
		return exitCode(1)
	}
	cut := int64(-1)
	res, err := persistence.Scan(path, persistence.ScanOptions{From: from, Keys: o.keys,
		Progress: func(read int64) error { return o.progress.at(read, 0) },
		Visit: func(it *persistence.Item) error {
			var at_s int64
			if o.until_s > 0 && it.Argv == nil {
				if n, _ := fmt.Sscanf(string(it.Raw), "#TS:%d", &at_s); n == 1 && at_s > o.until_s {
					cut = it.At
					return errLater
				}
			}
			return nil
		},
	})
	o.progress.end()
	fmt.Fprintf(o.out, "%s: %s, %d commands in %d units, %d checksum lines\n", path, size(res.Size), res.Commands, res.Units, res.Sums)
	if res.Stamps > 0 {
		fmt.Fprintf(o.out, "  logged from %s to %s\n", moment(res.First_s), moment(res.Last_s))
	}
	var damage *persistence.DamageError
	switch {
	case errors.Is(err, errLater):
		return o.cutLater(path, cut, res, last)
	case errors.As(err, &damage):
		fmt.Fprintf(o.out, "%s is %v. Whole until byte %d; %d bytes follow.\n", path, damage, res.End, res.Cut())
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	case res.Torn != persistence.NotTorn:
		fmt.Fprintf(o.out, "%s is not complete: %v. Whole until byte %d; %d bytes follow.\n", path, res.Torn, res.End, res.Cut())
	case res.Room > 0:
		fmt.Fprintf(o.out, "%s is whole, and has room for %s more.\n", path, size(res.Room))
		return nil
	default:
		fmt.Fprintf(o.out, "%s is whole.\n", path)
		return nil
	}
	if !last { // redis-check-aof refuses, too
		fmt.Fprintln(o.out, "Other files follow this one and build upon what is lost here, so it is not cut. With aof-salvage yes the server starts with what stands before the damage, and without those.")
		return exitCode(1)
	}
	if !o.fix {
		fmt.Fprintf(o.out, "With --fix it is cut at byte %d.\n", res.End)
		return exitCode(1)
	}
	if damage != nil {
		kept, err := keepRest(path, res.End)
		if err != nil {
			return err
		}
		fmt.Fprintf(o.out, "What is cut off is kept as %s.\n", kept)
	}
	if err := persistence.CutFile(persistence.OS, path, res.End); err != nil {
		return err
	}
	fmt.Fprintf(o.out, "%s was cut at byte %d.\n", path, res.End)
	return nil
}

// cutLater cuts a file where something was logged later than wanted.
func (o *checkOptions) cutLater(path string, cut int64, res persistence.ScanResult, last bool) error {
	switch {
	case res.Sealed:
		return fmt.Errorf("%s is encrypted: it cannot be cut at a moment", path)
	case !last:
		return fmt.Errorf("%s is not the last file: delete those behind it, and their lines in the manifest, first", path)
	case cut == 0:
		return fmt.Errorf("%s has nothing before that moment", path)
	}
	kept, err := keepRest(path, cut)
	if err == nil {
		err = persistence.CutFile(persistence.OS, path, cut)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(o.out, "%s was cut at byte %d. What is cut off is kept as %s.\n", path, cut, kept)
	return nil
}

func (o *checkOptions) beginsWithSnapshot(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	in, err := persistence.OpenSealed(f, o.keys)
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	var sig [persistence.SignatureSize]byte
	n, _ := io.ReadFull(in, sig[:])
	return persistence.BeginsSnapshot(sig[:n]), nil
}

// keepRest copies what a file has behind a place to a file beside it.
func keepRest(path string, from int64) (string, error) {
	in, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer in.Close()
	if _, err := in.Seek(from, io.SeekStart); err != nil {
		return "", err
	}
	to := fmt.Sprintf("%s.cut-%d", path, from)
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Sync(), out.Close(), persistence.OS.SyncDir(filepath.Dir(to))); err != nil {
		os.Remove(to) // it would keep the next try from its place
	}
	return to, err
}

func moment(unix_s int64) string {
	return fmt.Sprintf("%s (%d)", time.Unix(unix_s, 0).Format(time.DateTime), unix_s)
}

// printed is a text of a file as it can be shown: whoever has made the file writes nothing to the terminal but what stands in a line.
func printed(s string) string {
	if q := strconv.Quote(s); q != `"`+s+`"` {
		return q
	}
	return s
}

// size is a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}
