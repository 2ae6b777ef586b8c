"""Writes unicode_ranges.cpp: the code points that the `tokenizers` library (Unicode 16 in 0.23) counts as \\p{L} and \\p{N}. They do not depend on the system's PCRE2.

    python make_unicode_ranges.py >unicode_ranges.cpp
"""
from tokenizers import Regex, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def members(pattern):
    """The code points that match a pattern of one character."""
    split, found = pre_tokenizers.Split(Regex(pattern), "removed", invert=True), []
    for i in range(0, len(CODE_POINTS), 20000):
        for piece, _ in split.pre_tokenize_str("".join(map(chr, CODE_POINTS[i : i + 20000]))):
            found += map(ord, piece)
    return found


def ranges(points):
    result = []
    for c in sorted(points):
        if result and result[-1][1] == c - 1:
            result[-1][1] = c
        else:
            result.append([c, c])
    return result


def rows(cells, width=140):
    line = "   "
    for cell in cells:
        if len(line) + len(cell) + 2 > width:
            yield line
            line = "   "
        line += " " + cell + ","
    yield line


def main():
    print("// Written by make_unicode_ranges.py.")
    print('#include "plugins/tokenizer/common/unicode_class.h"\n\nnamespace corral::tokenizer {\n// clang-format off')
    for name, pattern in (("kLetters", r"\p{L}"), ("kNumbers", r"\p{N}")):
        found = ranges(members(pattern))
        print(f"const CodePoints {name}[] = {{")
        print("\n".join(rows([f"{{0x{a:X}, 0x{b:X}}}" for a, b in found])))
        print(f"}};\nconst size_t {name}Count = {len(found)};")
    print("// clang-format on\n}  // namespace corral::tokenizer")


if __name__ == "__main__":
    main()
