"""Import and export of sparse files in true shapes. The first, the last and 64 random pages of each tensor carry a mark. After import each mark
is where this program's own computation of the map says; after export it is where it was. All other pages are holes that need no disk.

    python sparse.py --corral build/bin/corral --shape 1b|8b|70b|405b [--layers 2] [--work DIR]

Needs Python's standard library only. Prints seconds, memory and allocated bytes of both directions; ends with 1 if a claim fails.
"""
import argparse
import json
import os
import pickle
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# layers, hidden, heads, key/value heads, features a head, mlp, tied
SHAPES = {"1b": (16, 2048, 32, 8, 64, 8192, True), "8b": (32, 4096, 32, 8, 128, 14336, False),
          "70b": (80, 8192, 64, 8, 128, 28672, False), "405b": (126, 16384, 128, 8, 128, 53248, False)}
VOCABULARY, PAGE, MAGIC, MOST = 128256, 4096, 0x4B52414D, 1 << 30


def page_of(number, offset):
    return struct.pack("<IIQ", MAGIC, number, offset) * (PAGE // 16)


def tensors_of(shape, layers):
    _, hidden, heads, groups, d, mlp, tied = shape
    yield "model.embed_tokens.weight", (VOCABULARY, hidden)
    for i in range(layers):
        at = f"model.layers.{i}."
        yield at + "input_layernorm.weight", (hidden,)
        for name, rows in (("q", heads * d), ("k", groups * d), ("v", groups * d)):
            yield f"{at}self_attn.{name}_proj.weight", (rows, hidden)
        yield at + "self_attn.o_proj.weight", (hidden, heads * d)
        yield at + "post_attention_layernorm.weight", (hidden,)
        yield at + "mlp.gate_proj.weight", (mlp, hidden)
        yield at + "mlp.up_proj.weight", (mlp, hidden)
        yield at + "mlp.down_proj.weight", (hidden, mlp)
    yield "model.norm.weight", (hidden,)
    if not tied:
        yield "lm_head.weight", (VOCABULARY, hidden)


def bytes_of(shape):
    size = 2
    for n in shape:
        size *= n
    return size


def make_folder(folder, shape, layers):
    """Writes files of about 100 GB; returns the number of each tensor and the offsets of its marks."""
    _, hidden, heads, groups, d, mlp, tied = shape
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "num_hidden_layers": layers, "hidden_size": hidden,
        "num_attention_heads": heads, "num_key_value_heads": groups, "head_dim": d, "intermediate_size": mlp, "vocab_size": VOCABULARY,
        "max_position_embeddings": 131072, "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "tie_word_embeddings": tied, "torch_dtype": "bfloat16"}))
    files, size = [[]], 0
    for name, dims in tensors_of(shape, layers):
        if size > 100e9:
            files, size = files + [[]], 0
        files[-1].append((name, dims))
        size += bytes_of(dims)
    marks, number, weight_map = {}, 0, {}
    for i, tensors in enumerate(files):
        file = f"model-{i + 1:05}-of-{len(files):05}.safetensors" if len(files) > 1 else "model.safetensors"
        header, at = {}, 0
        for name, dims in tensors:
            header[name] = {"dtype": "BF16", "shape": dims, "data_offsets": [at, at + bytes_of(dims)]}
            weight_map[name] = file
            at += bytes_of(dims)
        text = json.dumps(header).encode()
        text += b" " * (-(len(text) + 8) % PAGE)  # data begins at a page, so that marks are whole pages
        with open(folder / file, "wb") as out:
            out.write(struct.pack("<Q", len(text)) + text)
            out.truncate(8 + len(text) + at)
            for name, dims in tensors:
                pages = bytes_of(dims) // PAGE
                seeded = random.Random(name)
                chosen = sorted({0, pages - 1, *(seeded.randrange(pages) for _ in range(64))})
                marks[name] = (number, [p * PAGE for p in chosen])
                for offset in marks[name][1]:
                    out.seek(8 + len(text) + header[name]["data_offsets"][0] + offset)
                    out.write(page_of(number, offset))
                number += 1
    if len(files) > 1:
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return marks


def megatron_place(name, offset, shape):
    """The tensor of Megatron, and the byte in it, where a byte of a Hugging Face tensor is stored."""
    _, hidden, heads, groups, d, mlp, _ = shape
    q, row_bytes = heads // groups, 2 * hidden
    if not name.startswith("model.layers."):
        return {"model.embed_tokens.weight": "embedding.word_embeddings.weight", "model.norm.weight": "decoder.final_layernorm.weight",
                "lm_head.weight": "output_layer.weight"}[name], offset
    _, _, layer, module = name.split(".", 3)
    row, column = divmod(offset, row_bytes)
    stack = "decoder.layers."
    if module.startswith("self_attn.") and module[10] in "qkv":
        heads_of_part, before = {"q": (q, 0), "k": (1, q), "v": (1, q + 1)}[module[10]]
        group, inside = divmod(row, heads_of_part * d)
        row = group * (q + 2) * d + before * d + inside
        return stack + "self_attention.linear_qkv.weight", (int(layer) * (q + 2) * groups * d + row) * row_bytes + column
    if module in ("mlp.gate_proj.weight", "mlp.up_proj.weight"):
        row += mlp * (module == "mlp.up_proj.weight")
        return stack + "mlp.linear_fc1.weight", (int(layer) * 2 * mlp + row) * row_bytes + column
    to, size = {"input_layernorm.weight": ("self_attention.linear_qkv.layer_norm_weight", hidden),
                "post_attention_layernorm.weight": ("mlp.linear_fc1.layer_norm_weight", hidden),
                "self_attn.o_proj.weight": ("self_attention.linear_proj.weight", hidden * heads * d),
                "mlp.down_proj.weight": ("mlp.linear_fc2.weight", hidden * mlp)}[module]
    return stack + to, int(layer) * 2 * size + offset


class Stub:
    """Stands in for every class that .metadata names, so that nothing is imported."""
    def __init__(self, *arguments):
        self.arguments = arguments

    def __setstate__(self, state):
        self.state = state


class Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) == ("torch", "Size"):
            return tuple
        if name in ("MetadataIndex",):
            return type(name, (Stub,), {"__hash__": object.__hash__})
        return type(name, (Stub,), {}) if name[0].isupper() or name[0] == "_" else name


def pieces_of(folder):
    """Pieces by tensor: each has its first byte, size, file and offset in the file."""
    with open(folder / ".metadata", "rb") as f:
        metadata = Unpickler(f).load().state
    shapes = {n: m.state for n, m in metadata["state_dict_metadata"].items() if hasattr(m, "state")}
    sizes = {(n, c.state["offsets"]): c.state["sizes"] for n, m in shapes.items() for c in m["chunks"]}
    pieces = {}
    for index, info in metadata["storage_data"].items():
        name, offsets = index.state["fqn"], index.state["offset"]
        if name not in shapes:
            continue
        row = bytes_of(shapes[name]["size"][1:])
        assert not any(offsets[1:]), "pieces of whole rows"
        place = info.state
        with open(folder / place["relative_path"], "rb") as f:
            f.seek(place["offset"] + place["length"] - 22)
            end = f.read(22)
            assert end[:4] == b"PK\5\6"
            count, _, start = struct.unpack("<HII", end[10:20])
            f.seek(place["offset"] + start)
            for _ in range(count):
                entry = f.read(46)
                name_length, extra, comment = struct.unpack("<HHH", entry[28:34])
                record = f.read(name_length).decode()
                f.seek(extra + comment, 1)
                if record == "archive/data/0":
                    header = struct.unpack("<I", entry[42:46])[0]
            f.seek(place["offset"] + header + 26)
            name_length, extra = struct.unpack("<HH", f.read(4))
        data = place["offset"] + header + 30 + name_length + extra
        pieces.setdefault(name, []).append((offsets[0] * row, bytes_of(sizes[name, offsets]), place["relative_path"], data))
    return pieces


def marks_in(path):
    """Counts records of marks in the allocated parts of a file."""
    found = 0
    with open(path, "rb") as f:
        end = at = 0
        size = os.fstat(f.fileno()).st_size
        while True:
            try:
                at = os.lseek(f.fileno(), end, os.SEEK_DATA)
            except OSError:
                return found
            end = os.lseek(f.fileno(), at, os.SEEK_HOLE)
            if end - at > 1 << 28:
                return -1  # marks are shorter: the file has lost its holes
            found += os.pread(f.fileno(), min(end, size) - at, at).count(struct.pack("<I", MAGIC))


def files_of(folder, ending):
    return [p for p in sorted(Path(folder).rglob("*")) if p.name.endswith(ending)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corral", required=True)
    parser.add_argument("--shape", choices=SHAPES, action="append", required=True)
    parser.add_argument("--layers", type=int)
    parser.add_argument("--work")
    a = parser.parse_args()
    wrong = 0

    def claim(text, holds):
        nonlocal wrong
        wrong += not holds
        if not holds:
            print("FAILED: " + text)

    for which in a.shape:
        work = Path(tempfile.mkdtemp(prefix="corral-sparse-", dir=a.work))
        try:
            shape = SHAPES[which]
            layers = a.layers or shape[0]
            marks = make_folder(work / "hf", shape, layers)
            total = sum(len(offsets) for _, offsets in marks.values())

            def run(*words):
                begin = time.monotonic()
                process = subprocess.Popen([a.corral, *map(str, words)], stderr=subprocess.PIPE)
                errors = process.stderr.read()
                _, status, usage = os.wait4(process.pid, 0)
                claim(f"{which}: {words[0]} works: {errors.decode()}", status == 0)
                folder = work / ("megatron" if words[0] == "import" else "back")
                files = files_of(folder, "")
                allocated = sum(p.stat().st_blocks * 512 for p in files if p.is_file())
                apparent = sum(p.stat().st_size for p in files if p.is_file())
                print(f"{which}, {layers} layers: {words[0]} of {apparent / 1e9:.1f} GB in {time.monotonic() - begin:.1f} s, "
                      f"{usage.ru_maxrss / 1024:.0f} MiB resident, {allocated / 2**20:.0f} MiB allocated", flush=True)
                claim(f"{which}: {words[0]} stays below 1 GiB of memory", usage.ru_maxrss * 1024 <= MOST)
                claim(f"{which}: {words[0]} leaves holes", allocated <= MOST)
                return status == 0

            if not run("import", "--hf-model", work / "hf", "--megatron-path", work / "megatron"):
                continue
            folder = work / "megatron/iter_0000000"
            pieces = pieces_of(folder)
            for name, (number, offsets) in marks.items():
                for offset in offsets:
                    to, byte = megatron_place(name, offset, shape)
                    begin, size, file, data = next(p for p in pieces[to] if p[0] <= byte < p[0] + p[1])
                    with open(folder / file, "rb") as f:
                        f.seek(data + byte - begin)
                        claim(f"{which}: the mark of {name} at {offset} is in {to} at {byte}", f.read(PAGE) == page_of(number, offset))
            claim(f"{which}: nothing else is in Megatron's files", sum(map(marks_in, files_of(folder, ".distcp"))) == total * PAGE // 16)
            run("export", "--megatron-path", work / "megatron", "--hf-path", work / "back")
            for path in files_of(work / "back", ".safetensors"):
                with open(path, "rb") as f:
                    length = struct.unpack("<Q", f.read(8))[0]
                    for name, t in json.loads(f.read(length)).items():
                        if name == "__metadata__":
                            continue
                        number, offsets = marks.pop(name)
                        for offset in offsets:
                            f.seek(8 + length + t["data_offsets"][0] + offset)
                            claim(f"{which}: the mark of {name} at {offset} is back", f.read(PAGE) == page_of(number, offset))
            claim(f"{which}: every tensor is back", not marks)
            claim(f"{which}: nothing else is in them", sum(map(marks_in, files_of(work / "back", ".safetensors"))) == total * PAGE // 16)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
