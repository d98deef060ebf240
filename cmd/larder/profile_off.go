//go:build !profile

package main

// profile is nothing in builds without the tag profile; see profile_on.go.
func profile() (end func()) { return func() {} }
