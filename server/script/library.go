package script

import (
	lua "github.com/yuin/gopher-lua"
)

type loadedLib struct{}

// A Library is ...
type Library struct{}

func (e *Engine) registerFunction(L *lua.LState) int { return 0 }
