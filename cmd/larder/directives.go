package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"larder/server/config"
)

// directivesTopic is `larder help directives`: a list made of the tables that the server itself goes by.
func directivesTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "directives",
		Short: "All directives of the configuration, their defaults, and which of them have no effect",
		Long:  directiveList(),
	}
}

func directiveList() string {
	var works strings.Builder
	table := tabwriter.NewWriter(&works, 0, 0, 2, ' ', 0)
	var reasons []string // of the directives without effect, in their order
	idle := map[string][]string{}
	for _, r := range config.Rows() {
		note := ""
		if r.Immutable {
			note = "at start"
		}
		switch {
		case r.Hidden:
		case r.NoEffect == "":
			fmt.Fprintf(table, "  %s\t%s\t%s\n", names(r), shown(r), note)
		default:
			if idle[r.NoEffect] == nil {
				reasons = append(reasons, r.NoEffect)
			}
			idle[r.NoEffect] = append(idle[r.NoEffect], r.Name)
		}
	}
	_ = table.Flush() // a strings.Builder takes everything

	var b strings.Builder
	b.WriteString(`Directives of the configuration file and options of "larder serve", with their defaults.
Those marked "at start" cannot be changed by CONFIG SET.

`)
	for line := range strings.Lines(works.String()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	b.WriteString(`
Every directive of redis-server 7.2 is accepted, so that its files work unchanged. These do nothing here:
`)
	for _, reason := range reasons {
		b.WriteString("\n  " + reason + ":\n" + wrapped(idle[reason]))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// wrapped sets words in indented lines of at most 100 characters.
func wrapped(words []string) string {
	var b strings.Builder
	width := 0
	for _, w := range words {
		switch {
		case width == 0:
			b.WriteString("    ")
			width = 4
		case width+1+len(w) > 100:
			b.WriteString("\n    ")
			width = 4
		default:
			b.WriteByte(' ')
			width++
		}
		b.WriteString(w)
		width += len(w)
	}
	return b.String() + "\n"
}

func names(r *config.Row) string {
	if r.Alias != "" {
		return r.Name + ", " + r.Alias
	}
	return r.Name
}

// shown is a default as it would stand in the file.
func shown(r *config.Row) string {
	if r.Name == "dir" {
		return "where it was started"
	}
	if value := r.Default(); value != "" {
		return value
	}
	return `""`
}
