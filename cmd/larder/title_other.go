//go:build !linux

package main

import "errors"

func freeTitle() {}

func setTitle(string) error { return errors.New("this system keeps the title that a process has") }
