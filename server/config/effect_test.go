package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A directive either has an effect, which means that some other package reads its field, or says why it has none.
// This test reads the source to find out which of the two is true. Whoever makes a directive work deletes its
// noEffect, and learns of it here.
func TestWhatHasAnEffect(t *testing.T) {
	fields := fieldsOfRows(t)
	var source strings.Builder
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || path == filepath.Join(root, "server", "config") || path == filepath.Join(root, "tests")):
			return fs.SkipDir
		case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
			content, err := os.ReadFile(path)
			source.Write(content)
			return err
		}
		return nil
	})
	must(t, err)
	text := source.String()
	for _, r := range Rows() {
		if r.Name == "dir" || r.Name == "enable-protected-configs" {
			continue // this package itself acts on them
		}
		field := fields[r.Name]
		if field == "" {
			t.Errorf("the field of %s was not found in the tables", r.Name)
			continue
		}
		read := strings.Contains(text, "."+field+".Get(") || strings.Contains(text, "&c."+field+"}") // by name, or through a list of fields
		switch {
		case !read && r.NoEffect == "":
			t.Errorf("nobody reads %s (field %s), and the table does not say why it has no effect", r.Name, field)
		case read && r.NoEffect != "" && r.Name != "list-compress-depth": // which DEBUG OBJECT shows
			t.Errorf("%s is read (field %s), but the table says that it has no effect: %s; delete that", r.Name, field, r.NoEffect)
		}
	}
}

// fieldsOfRows finds the field of each directive: the tables have one row in each line.
func fieldsOfRows(t *testing.T) map[string]string {
	files, err := filepath.Glob("rows_*.go")
	must(t, err)
	byTable := map[string][]string{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		must(t, err)
		table := strings.TrimSuffix(strings.TrimPrefix(file, "rows_"), ".go")
		for _, m := range regexp.MustCompile(`(?m)^\t\w.*return &c\.(\w+) \}`).FindAllStringSubmatch(string(content), -1) {
			byTable[table] = append(byTable[table], m[1])
		}
	}
	fields := map[string]string{}
	for table, rows := range map[string][]*Row{
		"network": networkRows, "server": serverRows, "access": accessRows, "memory": memoryRows, "encoding": encodingRows,
		"persistence": persistenceRows, "replication": replicationRows, "cluster": clusterRows, "tls": tlsRows, "newer": newerRows,
	} {
		if len(rows) != len(byTable[table]) {
			t.Fatalf("rows_%s.go has %d rows in %d lines", table, len(rows), len(byTable[table]))
		}
		for i, r := range rows {
			fields[r.Name] = byTable[table][i]
		}
	}
	return fields
}
