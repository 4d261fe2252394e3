//go:build !purego

#include "textflag.h"

DATA marked<>+0(SB)/1, $0x22 // quote
DATA marked<>+1(SB)/1, $0x5c // backslash
DATA marked<>+2(SB)/1, $0x1f // the last control byte
GLOBL marked<>(SB), RODATA|NOPTR, $3

// func markBlocks(p *byte, blocks int, marks *uint64) (high uint32)
//
// X is marked if it equals the quote or the backslash, or if the smaller of X and 0x1f is X. Thirty-two
// bytes are compared at once, and VPMOVMSKB gathers one bit of each.
TEXT ·markBlocks(SB), NOSPLIT, $0-28
	MOVQ p+0(FP), SI
	MOVQ blocks+8(FP), CX
	MOVQ marks+16(FP), DI
	VPBROADCASTB marked<>+0(SB), Y0
	VPBROADCASTB marked<>+1(SB), Y1
	VPBROADCASTB marked<>+2(SB), Y2
	VPXOR Y9, Y9, Y9 // all bytes, ored

block:
	VMOVDQU (SI), Y3
	VMOVDQU 32(SI), Y4
	VPMINUB Y3, Y2, Y5
	VPMINUB Y4, Y2, Y6
	VPCMPEQB Y3, Y5, Y5
	VPCMPEQB Y4, Y6, Y6
	VPCMPEQB Y3, Y0, Y7
	VPCMPEQB Y4, Y0, Y8
	VPOR Y7, Y5, Y5
	VPOR Y8, Y6, Y6
	VPCMPEQB Y3, Y1, Y7
	VPCMPEQB Y4, Y1, Y8
	VPOR Y7, Y5, Y5
	VPOR Y8, Y6, Y6
	VPOR Y3, Y9, Y9
	VPOR Y4, Y9, Y9
	VPMOVMSKB Y5, AX
	VPMOVMSKB Y6, BX
	SHLQ $32, BX
	ORQ BX, AX
	MOVQ AX, (DI)
	ADDQ $64, SI
	ADDQ $8, DI
	DECQ CX
	JNZ block

	VPMOVMSKB Y9, AX
	MOVL AX, high+24(FP)
	VZEROUPPER
	RET
