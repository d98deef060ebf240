//go:build !linux

package persistence

// Sync waits until the disk has what was written.
func (f systemFile) Sync() error { return f.File.Sync() }
