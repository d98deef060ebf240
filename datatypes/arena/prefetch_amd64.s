//go:build (linux || darwin) && !race && !heaparena

#include "textflag.h"

// func prefetch(p uintptr)
TEXT ·prefetch(SB), NOSPLIT, $0-8
	MOVQ p+0(FP), AX
	PREFETCHT0 (AX)
	RET

// func prefetchTwo(p uintptr)
TEXT ·prefetchTwo(SB), NOSPLIT, $0-8
	MOVQ p+0(FP), AX
	PREFETCHT1 (AX)
	PREFETCHT1 56(AX)
	RET
