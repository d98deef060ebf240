package script

import (
	"testing"

	"larder/server/resp"
)

type benchHost struct{}

func (benchHost) Call(argv [][]byte, w *resp.Writer) resp.Error { w.BulkString("bar"); return "" }
func (benchHost) Log(int, string)                               {}
func (benchHost) Replicate(int)                                 {}
func (benchHost) Allowed([][]byte) (bool, bool)                 { return true, true }
func (benchHost) Interrupt() bool                               { return false }
func (benchHost) KillText() string                              { return "" }

func BenchmarkGet(b *testing.B) {
	s, err := Compile([]byte("return redis.call('get',KEYS[1])"), nil)
	if err != nil {
		b.Fatal(err)
	}
	e := New(Options{})
	out := &resp.Writer{Proto: 2}
	keys := [][]byte{[]byte("foo")}
	b.ReportAllocs()
	for b.Loop() {
		out.Empty()
		e.Eval(benchHost{}, s, keys, nil, out)
	}
}

func BenchmarkLoop(b *testing.B) {
	s, _ := Compile([]byte("local x=0 for i=1,1000000 do x = x + i % 7 end return x"), nil)
	e := New(Options{})
	out := &resp.Writer{Proto: 2}
	for b.Loop() {
		out.Empty()
		e.Eval(benchHost{}, s, nil, nil, out)
	}
}
