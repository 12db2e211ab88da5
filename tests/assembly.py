"""Proves that the innermost loops of the register tiles keep their sums in registers.

    python tests/assembly.py                  # builds the extension as it ships and checks its assembly
    python tests/assembly.py --target TARGET  # the same for another machine, such as aarch64-unknown-linux-gnu
    python tests/assembly.py FILE.s           # checks assembly that is there already

As soon as the compiler keeps one accumulator in memory instead, every step of the loop waits for a store: the numbers
stay right and the speed is a third. No test of numbers sees that, and timings drift; the assembly says it.

A loop of a tile is an innermost loop with `MULTIPLY_ADDS` multiply-adds or more on vectors, fed by broadcasts, and
without divisions or roundings (those belong to activations and optimizers). It may load and prefetch. It must not store
anything, nor load a vector from a fixed place on the stack, which is where the compiler puts what it has no register
for; an array on the stack is read with an index. `EXPECTED` says which tiles must be found, and in which kernels.

Needs cargo and Python's standard library alone. Exits with 1 where a loop spills or is missing.
"""

import argparse
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

# The smallest tile that counts: smaller ones serve the edges and have registers to spare.
MULTIPLY_ADDS = 8

# Each instruction set's largest tile, rows x vectors, which every kernel must contain: so many accumulators.
EXPECTED = {
    "x86_64": {"AVX-512": 6 * 4, "AVX2": 3 * 4, "SSE": 2 * 4},  # SSE: what the compiler makes of plain Rust
    "aarch64": {"NEON": 6 * 4},
}
# Parts of the names of the functions that must hold the largest tile of every instruction set.
KERNELS = (
    "lstm::forward::Forward",
    "lstm::backward::Backward",
    "lstm::projection::Project",
    "gru::ForwardMember",
    "gru::BackwardMember",
    "simple_rnn::ForwardMember",
    "simple_rnn::BackwardMember",
    "matmul::Matmul",
    "weight_gradient::Addend",
)
# And those that are compiled for one instruction set.
OF_ONE_ISA = {"AVX-512": ("pairs::product",)}


@dataclass(frozen=True)
class Instruction:
    """One line of assembly, as AT&T (x86) or GNU (AArch64) syntax has it."""

    name: str
    operands: tuple[str, ...]
    text: str


@dataclass
class Loop:
    """An innermost loop and what its instructions do."""

    function: str
    label: str
    isa: str
    accumulators: int
    counts: Counter[str]
    spills: list[str] = field(default_factory=list)


class X86:
    """What x86-64's instructions do. AT&T syntax: the last operand is the target."""

    isas = (("zmm", "AVX-512"), ("ymm", "AVX2"), ("xmm", "SSE"))
    ends = re.compile(r"^(ret|jmp|ud2|hlt)")
    jump = re.compile(r"^j[a-z]+$")
    register = re.compile(r"%([xyz]mm)(\d+)")
    stops = re.compile(r"^v?(div|sqrt|round|rndscale|rcp|rsqrt)")
    multiply_add = re.compile(r"^v?(fn?madd|dpbf16ps|addp[sd]$)")
    multiply = re.compile(r"^v?mulp[sd]$")
    compares = re.compile(
        r"^(cmp|test|bt|push|ucomis|comis|vucomis|vcomis|vptest|ptest|prefetch|nop|call|ktest|kortest)"
    )

    @staticmethod
    def is_memory(operand: str) -> bool:
        """Whether an operand lies in memory."""
        return "(" in operand

    def targets(self, instruction: Instruction) -> str | None:
        """The label that a jump goes to."""
        if self.jump.match(instruction.name) and not instruction.operands[0].startswith("*"):
            return instruction.operands[0]
        return None

    def kinds(self, instruction: Instruction, frame: bool) -> Iterator[str]:
        """What an instruction does."""
        name, operands = instruction.name, instruction.operands
        memory = [operand for operand in operands if self.is_memory(operand)]
        vector = bool(self.register.search(instruction.text))
        if name.startswith("prefetch"):
            yield "prefetch"
        elif memory and not name.startswith(("lea", "nop")):
            if self.is_memory(operands[-1]) and not self.compares.match(name):
                yield "store"
            # `{1to16}` broadcasts within another instruction. Constants (%rip) are no operands of a tile.
            elif "(%rip" not in memory[0]:
                broadcast = "broadcast" in name or "{1to" in memory[0] or re.match(r"v?movss$|v?movd$", name)
                yield "broadcast" if broadcast else ("load" if vector else "pointer")
            # A spilled register has a fixed place: no index. rbp is the stack's where the function made it so.
            fixed = re.search(r"\(%(rsp|rbp)\)" if frame else r"\(%rsp\)", memory[0])
            if vector and fixed:
                yield "stack"
        if self.stops.match(name):
            yield "stop"
        if self.multiply_add.match(name):
            yield "multiply-add"
        elif self.multiply.match(name):
            yield "multiply"

    @staticmethod
    def makes_frame(instruction: Instruction) -> bool:
        """Whether it turns the frame pointer into one."""
        return instruction.name == "movq" and instruction.operands == ("%rsp", "%rbp")

    def isa(self, instructions: Iterable[Instruction]) -> str:
        """The instruction set, by the widest register."""
        classes = {found[0] for instruction in instructions for found in self.register.findall(instruction.text)}
        return next((isa for register, isa in self.isas if register in classes), "none")


class Aarch64:
    """What AArch64's instructions do. The first operand is the target, except of stores."""

    ends = re.compile(r"^(ret|br|b|brk|udf)$")
    jump = re.compile(r"^(b|b\.[a-z]+|cbn?z|tbn?z)$")
    vector = re.compile(r"\b[vqd]\d+")
    stops = re.compile(r"^(fdiv|fsqrt|frint|frecp|frsqrt)")
    multiply_add = re.compile(r"^fml[as]$")

    def targets(self, instruction: Instruction) -> str | None:
        """The label that a jump goes to."""
        return instruction.operands[-1] if self.jump.match(instruction.name) else None

    def kinds(self, instruction: Instruction, frame: bool) -> Iterator[str]:
        """What an instruction does."""
        name, text = instruction.name, instruction.text
        if name.startswith("prfm") or name.startswith("prfum"):
            yield "prefetch"
        elif re.match(r"st(r|p|ur|n?p|\d|lr|g)", name):
            yield "store"
        elif re.match(r"ld(r|p|ur|n?p|\d)", name):
            vector = bool(re.search(r"^\{?\s*[vqds]\d", instruction.operands[0]))
            broadcast = re.match(r"ld\d+r$", name) or re.match(r"[sd]\d", instruction.operands[0])
            yield "broadcast" if broadcast else ("load" if vector else "pointer")
            if vector and re.search(r"\[sp(, #\d+)?\]" + (r"|\[x29(, #-?\d+)?\]" if frame else ""), text):
                yield "stack"
        if self.stops.match(name):
            yield "stop"
        if self.multiply_add.match(name) and "." in instruction.operands[0]:
            yield "multiply-add"

    @staticmethod
    def makes_frame(instruction: Instruction) -> bool:
        """Whether it turns the frame pointer into one."""
        return instruction.operands[:2] in (("x29", "sp"),)

    def isa(self, instructions: Iterable[Instruction]) -> str:
        """NEON, if there is a vector at all."""
        return "NEON" if any(self.vector.search(instruction.text) for instruction in instructions) else "none"


ARCHITECTURES = {"x86_64": X86(), "aarch64": Aarch64()}
LABEL = re.compile(r"^([\w.$]+):")


def parse(line: str) -> Instruction | None:
    """The instruction of a line, if it is one."""
    text = re.split(r"\s(?:#|//)\s|\s@", line, maxsplit=1)[0].strip()
    if not text or text.startswith((".", "#", "//")):
        return None
    name, _, rest = text.partition("\t") if "\t" in text else text.partition(" ")
    # Commas within brackets belong to one operand.
    operands = re.findall(r"(?:[^,(\[{]|\([^)]*\)|\[[^\]]*\]|\{[^}]*\})+", rest)
    return Instruction(name, tuple(operand.strip() for operand in operands), re.sub(r"\s+", " ", text))


def functions(lines: Iterable[str]) -> Iterator[tuple[str, list[tuple[str, list[Instruction]]]]]:
    """Each function's name and its blocks: a label, and the instructions up to the next label or jump."""
    names: set[str] = set()
    name, blocks = "", []
    for line in lines:
        if found := re.match(r"\s*\.type\s+([^,\s]+),\s*[@%]function", line):
            names.add(found[1])
        elif found := LABEL.match(line):
            label = found[1]
            if label in names or not label.startswith((".L", "L")):
                if blocks:
                    yield name, blocks
                name, blocks = label, []
            # Nothing between a jump and the next label: no block, which would seem to fall through to the label's.
            # An empty block with a label of its own stays: jumps go there.
            if blocks and not blocks[-1][1] and blocks[-1][0].endswith("+"):
                blocks.pop()
            blocks.append((label, []))
        elif blocks and (instruction := parse(line)):
            blocks[-1][1].append(instruction)
            if re.match(r"^(j|b\.|b$|br$|cbn?z|tbn?z|ret|ud2)", instruction.name):
                blocks.append((f"{blocks[-1][0]}+", []))
    if blocks:
        yield name, blocks


def innermost_loops(blocks: list[tuple[str, list[Instruction]]], machine: X86 | Aarch64) -> list[list[int]]:
    """The innermost loops as numbers of blocks: strongly connected parts, entries taken away while one is left."""
    numbers = {label: number for number, (label, _) in enumerate(blocks)}
    successors: list[list[int]] = []
    for number, (_, instructions) in enumerate(blocks):
        following = set()
        if not (instructions and machine.ends.match(instructions[-1].name)) and number + 1 < len(blocks):
            following.add(number + 1)
        if instructions and (label := machine.targets(instructions[-1])) in numbers:
            following.add(numbers[label])
        successors.append(sorted(following))
    predecessors: dict[int, list[int]] = defaultdict(list)
    for number, following in enumerate(successors):
        for target in following:
            predecessors[target].append(number)

    found: list[list[int]] = []
    todo = components(range(len(blocks)), successors)
    while todo:
        part = todo.pop()
        members = set(part)
        entries = {n for n in part if any(p not in members for p in predecessors[n])} or {min(part)}
        inner = components(sorted(members - entries), successors)
        if inner:
            todo += inner
        else:
            found.append(sorted(part))
    return sorted(found)


def components(nodes: Iterable[int], successors: list[list[int]]) -> list[list[int]]:
    """Strongly connected parts that hold a cycle (Tarjan's algorithm, with a stack of its own)."""
    allowed = set(nodes)
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    parts = []
    for root in sorted(allowed):
        if root in index:
            continue
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        work = [(root, iter(successors[root]))]
        while work:
            node, following = work[-1]
            for target in following:
                if target not in allowed:
                    continue
                if target not in index:
                    index[target] = low[target] = len(index)
                    stack.append(target)
                    on_stack.add(target)
                    work.append((target, iter(successors[target])))
                    break
                if target in on_stack:
                    low[node] = min(low[node], index[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    part = []
                    while True:
                        member = stack.pop()
                        on_stack.remove(member)
                        part.append(member)
                        if member == node:
                            break
                    if len(part) > 1 or node in successors[node]:
                        parts.append(part)
    return parts


def demangle(symbol: str) -> str:
    """The readable parts of a symbol in Rust's v0 mangling: `Avx512::dispatch::kernels::lstm::forward::Forward`."""
    parts, at = [], 0
    body = symbol.lstrip("_")
    if not body.startswith("R"):
        return symbol
    token = re.compile(r"[Bs][0-9a-zA-Z]*_|(\d+)_?")
    while at < len(body):
        if not (found := token.match(body, at)):
            at += 1
        elif found[1]:
            end = found.end() + int(found[1])
            parts.append(body[found.end() : end])
            at = end
        else:
            at = found.end()
    return "::".join(part for part in parts if part != "lstm_core")


def tile_loops(lines: Iterable[str], architecture: str) -> list[Loop]:
    """Every loop of a tile, with its spills."""
    machine = ARCHITECTURES[architecture]
    loops = []
    for name, blocks in functions(lines):
        frame = any(machine.makes_frame(instruction) for _, body in blocks for instruction in body)
        for numbers in innermost_loops(blocks, machine):
            body = [instruction for number in numbers for instruction in blocks[number][1]]
            kinds = [(instruction, set(machine.kinds(instruction, frame))) for instruction in body]
            counts = Counter(kind for _, found in kinds for kind in found)
            if counts["stop"] or counts["multiply-add"] < MULTIPLY_ADDS or not counts["broadcast"]:
                continue
            sums = [instruction for instruction, found in kinds if "multiply-add" in found]
            # Without fused instructions only multiplications tell a tile from other sums.
            fused = architecture != "x86_64" or any(re.search("madd|dpbf16", instruction.name) for instruction in sums)
            if not fused and counts["multiply"] < MULTIPLY_ADDS:
                continue
            target = 0 if architecture == "aarch64" else -1
            accumulators = {instruction.operands[target] for instruction in sums}
            loop = Loop(demangle(name), blocks[numbers[0]][0], machine.isa(sums), len(accumulators), counts)
            loop.spills = [instruction.text for instruction, found in kinds if found & {"store", "stack"}]
            loops.append(loop)
    return loops


def complaints(loops: list[Loop], architecture: str) -> list[str]:
    """What is wrong: spills, and largest tiles that are missing."""
    found = []
    for loop in loops:
        if loop.spills:
            shown = "".join(f"\n      {line}" for line in loop.spills[:12])
            rest = f"\n      and {len(loop.spills) - 12} more" if len(loop.spills) > 12 else ""
            found.append(f"{loop.isa} {loop.function} {loop.label}: memory traffic of spilled registers:{shown}{rest}")
    for isa, accumulators in EXPECTED[architecture].items():
        for kernel in KERNELS + OF_ONE_ISA.get(isa, ()):
            largest = max((n.accumulators for n in loops if n.isa == isa and kernel in n.function), default=0)
            if largest < accumulators:
                found.append(
                    f"{isa} {kernel}: the largest tile has {largest} accumulators, {accumulators} were expected "
                    "(kept in memory, or another kernel now: see EXPECTED)"
                )
    return found


def report(loops: list[Loop]) -> str:
    """A line for each kind of loop in each function, and how many there are."""
    columns = ("multiply-add", "load", "broadcast", "prefetch", "pointer", "store", "stack")
    groups = Counter(
        (loop.isa, (loop.accumulators, *(loop.counts[column] for column in columns)), loop.function) for loop in loops
    )
    names = ("sums", "FMA", "load", "broadcast", "prefetch", "pointer", "store", "stack", "loops")
    lines = [f"{'':8}" + "".join(f"{name:>10}" for name in names)]
    for (isa, numbers, function), count in sorted(groups.items()):
        lines.append(f"{isa:8}" + "".join(f"{number:>10}" for number in (*numbers, count)) + f"  in {function}")
    return "\n".join(lines)


def build(target: str | None) -> Path:
    """Compiles the extension with the profile that ships, in a folder of its own, and keeps the assembly."""
    root = Path(__file__).resolve().parents[1]
    folder = Path(os.environ.get("CARGO_TARGET_DIR", root / "target")) / "assembly"
    environment = {
        **os.environ,
        "CARGO_TARGET_DIR": str(folder),
        # The new mangling names the kernel within a generic function.
        "RUSTFLAGS": f"{os.environ.get('RUSTFLAGS', '')} -C symbol-mangling-version=v0".strip(),
        "PYO3_BUILD_EXTENSION_MODULE": "1",
    }
    command = [os.environ.get("CARGO", "cargo"), "rustc", "--release", "--package", "lstm-python", "--lib"]
    command += ["--target", target] if target else []
    subprocess.run([*command, "--", "--emit", "asm"], cwd=root, env=environment, check=True)
    return folder / (target or "") / "release" / "deps" / "_lstm_rs.s"


def main() -> int:
    """Builds, checks and reports."""
    parser = argparse.ArgumentParser(description="Checks that the inner loops of the kernels hold no spills.")
    parser.add_argument("file", nargs="?", type=Path, help="assembly to check instead of building it")
    parser.add_argument("--target", help="cargo's name of the machine to build for (default: this one)")
    arguments = parser.parse_args()
    path = arguments.file or build(arguments.target)
    text = path.read_text()
    architecture = "x86_64" if re.search(r"%[re]?[abcd]x\b", text) else "aarch64"
    loops = tile_loops(text.splitlines(), architecture)
    print(report(loops))
    wrong = complaints(loops, architecture)
    for line in wrong:
        print(f"error: {line}", file=sys.stderr)
    print(f"{len(loops)} loops of tiles in {path.name}, {len(wrong)} complaints")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
