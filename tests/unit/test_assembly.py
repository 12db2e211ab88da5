"""The check of the kernels' assembly, on assembly written by hand: it must see a spill, and only a spill."""

import assembly
import pytest

BODY = """
	.type	_RNvNtCs1_9lstm_core6matmul6Matmul,@function
_RNvNtCs1_9lstm_core6matmul6Matmul:
	movq	%rsp, %rbp
	jmp	.LBB0_1
	.p2align	4
.LBB0_1:
	vmovups	(%rcx,%rax), %ymm12
	vmovups	32(%rsp,%rax), %ymm13	# an array on the stack: it has an index
	prefetcht0	512(%rcx,%rax)
	vbroadcastss	(%rdi,%rdx,4), %ymm14
	vfmadd231ps	%ymm14, %ymm12, %ymm0
	vfmadd231ps	%ymm14, %ymm13, %ymm1
	vbroadcastss	(%rsi,%rdx,4), %ymm15
	vfmadd231ps	%ymm15, %ymm12, %ymm2
	vfmadd231ps	%ymm15, %ymm13, %ymm3
	vbroadcastss	(%r8,%rdx,4), %ymm14
	vfmadd231ps	%ymm14, %ymm12, %ymm4
	vfmadd231ps	%ymm14, %ymm13, %ymm5
	vbroadcastss	(%r9,%rdx,4), %ymm15
	vfmadd231ps	%ymm15, %ymm12, %ymm6
{last}
	addq	$64, %rax
	incq	%rdx
	cmpq	%rdx, 8(%r10)
	jne	.LBB0_1
	vmovups	%ymm0, (%rbx)
	retq
"""
IN_REGISTERS = "	vfmadd231ps	%ymm15, %ymm13, %ymm7"
NEON = """
	.type	kernel,@function
kernel:
	mov	x29, sp
.LBB1_2:
	ldp	q24, q25, [x9], #32
	ld1r	{{ v26.4s }}, [x10], x11
	ldr	s27, [x12, x13, lsl #2]
	fmla	v0.4s, v24.4s, v26.4s
	fmla	v1.4s, v25.4s, v26.4s
	fmla	v2.4s, v24.4s, v27.s[0]
	fmla	v3.4s, v25.4s, v27.s[0]
	fmla	v4.4s, v24.4s, v26.4s
	fmla	v5.4s, v25.4s, v26.4s
	fmla	v6.4s, v24.4s, v27.s[0]
{last}
	subs	x13, x13, #1
	b.ne	.LBB1_2
	str	q0, [x0]
	ret
"""


def loops(body: str, last: str, architecture: str) -> list[assembly.Loop]:
    """The tile loops of a sample whose last multiply-add is `last`."""
    return assembly.tile_loops(body.format(last=last).splitlines(), architecture)


def test_a_loop_in_registers() -> None:
    """Loads, broadcasts and prefetches are counted; nothing is wrong with them."""
    (loop,) = loops(BODY, IN_REGISTERS, "x86_64")
    assert (loop.isa, loop.accumulators, loop.function, loop.label) == ("AVX2", 8, "matmul::Matmul", ".LBB0_1")
    assert loop.counts["multiply-add"] == 8
    assert loop.counts["load"] == 2
    assert loop.counts["broadcast"] == 4
    assert loop.counts["prefetch"] == 1
    assert loop.spills == []
    (loop,) = loops(NEON, "	fmla	v7.4s, v25.4s, v27.s[0]", "aarch64")
    assert (loop.isa, loop.accumulators, loop.counts["load"], loop.counts["broadcast"]) == ("NEON", 8, 1, 2)
    assert loop.spills == []


@pytest.mark.parametrize(
    ("body", "architecture", "memory"),
    [
        (BODY, "x86_64", "	vmovups	96(%rsp), %ymm7"),
        (BODY, "x86_64", "	vmovups	-96(%rbp), %ymm7"),
        (BODY, "x86_64", "	vfmadd231ps	96(%rsp), %ymm13, %ymm7"),
        (BODY, "x86_64", "	vmovups	%ymm7, 96(%rsp)"),
        (BODY, "x86_64", "	movq	%rax, 8(%rsp)"),
        (NEON, "aarch64", "	ldr	q7, [sp, #16]"),
        (NEON, "aarch64", "	ldur	q7, [x29, #-16]"),
        (NEON, "aarch64", "	str	q7, [sp]"),
        (NEON, "aarch64", "	stp	q6, q7, [sp, #32]"),
    ],
)
def test_a_spill(body: str, architecture: str, memory: str) -> None:
    """A vector read from a fixed place on the stack, or anything stored, within the loop."""
    again = IN_REGISTERS if architecture == "x86_64" else "	fmla	v7.4s, v25.4s, v27.s[0]"
    (loop,) = loops(body, f"{memory}\n{again}", architecture)
    assert loop.spills == [" ".join(memory.split())]
    assert any("spilled" in line for line in assembly.complaints([loop], architecture))


def test_a_spill_behind_a_branch() -> None:
    """The loop is every block on the way round, not only the block that jumps back."""
    branch = "\tje\t.LBB0_2\n\tvmovups\t%ymm7, 96(%rsp)\n.LBB0_2:\n"
    (loop,) = loops(BODY, branch + IN_REGISTERS, "x86_64")
    assert loop.spills == ["vmovups %ymm7, 96(%rsp)"]


def test_nothing_falls_through_a_jump() -> None:
    """What stands behind a jump is no way into a loop.

    Were it one, the way past the tile's loop here, with sums and a store of its own, would be an innermost loop, and
    that store a spill. It takes two loops around the tile's.
    """
    tile = BODY.format(last=IN_REGISTERS).split(".LBB0_1:\n")[1].split("\tvmovups\t%ymm0")[0]
    sums = "\n".join(line for line in tile.splitlines() if "broadcast" in line or "vfmadd" in line)
    body = f"""
	.type	kernel,@function
kernel:
.LBB0_4:
	nop
.LBB0_5:
	testq	%r11, %r11
	jne	.LBB0_6
	jmp	.LBB0_7
.LBB0_6:
	xorl	%edx, %edx
.LBB0_1:
{tile}
.LBB0_7:
{sums}
	vmovups	%ymm0, 96(%rsp)
	jne	.LBB0_5
	jne	.LBB0_4
	retq
"""
    (loop,) = assembly.tile_loops(body.splitlines(), "x86_64")
    assert (loop.label, loop.spills) == (".LBB0_1", [])


def test_loops_that_are_no_tiles() -> None:
    """A division marks an activation; the stores of such loops are their work."""
    last = f"{IN_REGISTERS}\n	vdivps	%ymm0, %ymm1, %ymm2\n	vmovups	%ymm2, (%rbx,%rax)"
    assert loops(BODY, last, "x86_64") == []


def test_tiles_that_are_missing() -> None:
    """Each kernel needs the largest tile of each instruction set."""
    wrong = assembly.complaints(loops(BODY, IN_REGISTERS, "x86_64"), "x86_64")
    assert any(line.startswith("AVX-512 matmul::Matmul") for line in wrong)
    assert not any("spilled" in line for line in wrong)
