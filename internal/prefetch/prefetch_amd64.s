#include "textflag.h"

// func write(p *byte, n int)
TEXT ·write(SB), NOSPLIT, $0-16
	MOVQ p+0(FP), SI
	MOVQ n+8(FP), CX

more:
	BYTE $0x0f; BYTE $0x0d; BYTE $0x0e // PREFETCHW (SI), which the assembler does not know
	ADDQ $64, SI
	SUBQ $64, CX
	JG   more
	RET
