//go:build (linux || darwin) && !race && !heaparena

#include "textflag.h"

// func prefetch(p uintptr)
TEXT ·prefetch(SB), NOSPLIT, $0-8
	MOVD p+0(FP), R0
	PRFM (R0), PLDL1KEEP
	RET

// func prefetchTwo(p uintptr)
TEXT ·prefetchTwo(SB), NOSPLIT, $0-8
	MOVD p+0(FP), R0
	PRFM (R0), PLDL1KEEP
	PRFM 56(R0), PLDL1KEEP
	RET
