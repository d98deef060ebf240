package config

import "sync/atomic"

// The fields of Config are one of the types below. Reading one is a single atomic load, so event loops read them
// while CONFIG SET stores; there is no lock on the reading side and nothing to subscribe to for a value that is
// looked at each time it is needed.

// Bool is a yes/no directive.
type Bool struct{ v atomic.Bool }

// Get returns the present value.
func (b *Bool) Get() bool { return b.v.Load() }

// Int is a number, a size in bytes or a percentage. Directives whose values go beyond 1<<63-1 (maxmemory) say so.
type Int struct{ v atomic.Int64 }

// Get returns the present value. A percentage is returned as a negative number: 5% is -5.
func (i *Int) Get() int64 { return i.v.Load() }

// Enum is one of a list of words, or with a flag type any set of them.
type Enum[T ~int32] struct{ v atomic.Int32 }

// Get returns the present value.
func (e *Enum[T]) Get() T { return T(e.v.Load()) }

// Value holds what is larger than a word. What Get returns is shared and must not be changed.
type Value[T any] struct{ v atomic.Pointer[T] }

// Get returns the present value.
func (v *Value[T]) Get() T { return *v.v.Load() }

// String is a text directive; "" stands for "not set" where Redis distinguishes none.
type String = Value[string]

// The setters are only for Store: they neither check nor tell anybody.

func (b *Bool) set(x bool)  { b.v.Store(x) }
func (i *Int) set(x int64)  { i.v.Store(x) }
func (e *Enum[T]) set(x T)  { e.v.Store(int32(x)) }
func (v *Value[T]) set(x T) { v.v.Store(&x) }
