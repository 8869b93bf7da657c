#include "textflag.h"

// To fold is to move 128 bits of the message, a polynomial a·x⁶⁴ + b, D bytes towards its end
// without a change of the remainder: a·(x^(8D+64) mod P) + b·(x^(8D) mod P), as in Gopal et al.,
// "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel, 2009.
// A CRC takes the lowest bit first, so that the constants are bit-reversed and those of
// x^(8D+31) and x^(8D-33): the product of reversed factors is one bit short.

// fold256 and fold64 move by 256 and by 64 bytes.
DATA fold256<>+0(SB)/8, $0xdcb17aa4
DATA fold256<>+8(SB)/8, $0xb9e02b86
GLOBL fold256<>(SB), RODATA|NOPTR, $16
DATA fold64<>+0(SB)/8, $0x740eef02
DATA fold64<>+8(SB)/8, $0x9e4addf8
GLOBL fold64<>(SB), RODATA|NOPTR, $16

// gather moves the four quarters of 64 bytes to where the last one is, by 48, 32 and 16 bytes.
DATA gather<>+0(SB)/8, $0x1c291d04
DATA gather<>+8(SB)/8, $0xddc0152b
DATA gather<>+16(SB)/8, $0x3da6d0cb
DATA gather<>+24(SB)/8, $0xba4fc28e
DATA gather<>+32(SB)/8, $0xf20c0dfe
DATA gather<>+40(SB)/8, $0x493c7d27
DATA gather<>+48(SB)/8, $0
DATA gather<>+56(SB)/8, $0
GLOBL gather<>(SB), RODATA|NOPTR, $64

// func update512(crc uint32, p []byte) uint32
TEXT ·update512(SB), NOSPLIT, $0-36
	MOVL crc+0(FP), AX
	MOVQ p_base+8(FP), SI
	MOVQ p_len+16(FP), CX

	VMOVDQU64 (SI), Z0
	VMOVDQU64 64(SI), Z1
	VMOVDQU64 128(SI), Z2
	VMOVDQU64 192(SI), Z3
	VMOVD AX, X4
	VPXORQ Z4, Z0, Z0
	VBROADCASTI32X4 fold256<>(SB), Z8
	ADDQ $256, SI
	SUBQ $256, CX
	JMP more

loop:
	VPCLMULQDQ $0x00, Z8, Z0, Z4
	VPCLMULQDQ $0x00, Z8, Z1, Z5
	VPCLMULQDQ $0x00, Z8, Z2, Z6
	VPCLMULQDQ $0x00, Z8, Z3, Z7
	VPCLMULQDQ $0x11, Z8, Z0, Z0
	VPCLMULQDQ $0x11, Z8, Z1, Z1
	VPCLMULQDQ $0x11, Z8, Z2, Z2
	VPCLMULQDQ $0x11, Z8, Z3, Z3
	VPTERNLOGQ $0x96, (SI), Z4, Z0
	VPTERNLOGQ $0x96, 64(SI), Z5, Z1
	VPTERNLOGQ $0x96, 128(SI), Z6, Z2
	VPTERNLOGQ $0x96, 192(SI), Z7, Z3
	ADDQ $256, SI
	SUBQ $256, CX

more:
	CMPQ CX, $256
	JAE  loop

	// Four times 64 bytes become one.
	VBROADCASTI32X4 fold64<>(SB), Z8
	VPCLMULQDQ $0x00, Z8, Z0, Z4
	VPCLMULQDQ $0x11, Z8, Z0, Z0
	VPTERNLOGQ $0x96, Z1, Z4, Z0
	VPCLMULQDQ $0x00, Z8, Z0, Z4
	VPCLMULQDQ $0x11, Z8, Z0, Z0
	VPTERNLOGQ $0x96, Z2, Z4, Z0
	VPCLMULQDQ $0x00, Z8, Z0, Z4
	VPCLMULQDQ $0x11, Z8, Z0, Z0
	VPTERNLOGQ $0x96, Z3, Z4, Z0
	JMP tail

single:
	VPCLMULQDQ $0x00, Z8, Z0, Z4
	VPCLMULQDQ $0x11, Z8, Z0, Z0
	VPTERNLOGQ $0x96, (SI), Z4, Z0
	ADDQ $64, SI
	SUBQ $64, CX

tail:
	CMPQ CX, $64
	JAE  single

	// 64 bytes become 16, and those the remainder.
	VMOVDQU64 gather<>(SB), Z8
	VPCLMULQDQ $0x00, Z8, Z0, Z4
	VPCLMULQDQ $0x11, Z8, Z0, Z5
	VEXTRACTI32X4 $3, Z0, X1
	VPXORQ Z5, Z4, Z4
	VEXTRACTI64X4 $1, Z4, Y5
	VPXOR Y5, Y4, Y4
	VEXTRACTI128 $1, Y4, X5
	VPXOR X5, X4, X4
	VPXOR X1, X4, X4
	VMOVQ X4, R8
	VPEXTRQ $1, X4, R9
	XORL AX, AX
	CRC32Q R8, AX
	CRC32Q R9, AX
	VZEROUPPER

	// What does not fill 64 bytes.
	CMPQ CX, $8
	JB   four

eight:
	CRC32Q (SI), AX
	ADDQ $8, SI
	SUBQ $8, CX
	CMPQ CX, $8
	JAE  eight

four:
	TESTQ $4, CX
	JZ    two
	CRC32L (SI), AX
	ADDQ $4, SI

two:
	TESTQ $2, CX
	JZ    one
	CRC32W (SI), AX
	ADDQ $2, SI

one:
	TESTQ $1, CX
	JZ    done
	CRC32B (SI), AX

done:
	MOVL AX, ret+32(FP)
	RET
