"""Chats as ids and labels for a loss on the assistant's turns alone, by transformers' apply_chat_template.

A turn of the assistant is trained from its first content token to its <|eot_id|>. Its span is found by rendering prefixes: it begins at the end
of the chat before it with the header of an answer, and ends at the end of the chat with it. Labels are not shifted; -100 marks no target; `spans` are
the trained spans in bytes of the text. Each chat is rendered with the template that Corral writes into exports and, if it has neither tools nor
parts, also with make_tokenizer.py's wording of the format; both must agree.
"""
import argparse
import json
from pathlib import Path

from transformers import PreTrainedTokenizerFast

import make_tokenizer
from tokenizer_corpus import CHATS

DATE = "26 Jul 2024"


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


def system(text):
    return {"role": "system", "content": text}


def part(words):
    """A part of a message's content."""
    return {"type": "text", "text": words}


SPACES = "\u00a0\u2003\x1c\u3000 \n"
PLAIN = {
    **{f"oracle {i}": {"messages": chat} for i, chat in enumerate(CHATS)},
    "one turn": {"messages": [user("What is 2+2?"), assistant("4")]},
    "several turns": {"messages": [user("a"), assistant("b"), user("c"), assistant("d\n\ne"), user("f"), assistant("g.")]},
    "system turn": {"messages": [system("You are terse.\n"), user("Hi"), assistant(" Hello ")]},
    "two systems": {"messages": [system("one"), system("two"), user("Hi"), assistant("Hello")]},
    "system in between": {"messages": [user("Hi"), assistant("Hello"), system("now in German"), user("Hi"), assistant("Hallo")]},
    "empty answer": {"messages": [user("Say nothing."), assistant("")]},
    "empty question": {"messages": [user(""), assistant("?"), user(" \n "), assistant("  ")]},
    "unicode": {"messages": [user("Grüße 😀, 你好"), assistant("👩‍👩‍👧‍👦 e\u0301 – „ja“\n\tπ")]},
    "white space": {"messages": [user(SPACES + "a" + SPACES + "b" + SPACES), assistant(SPACES + "c\u200b" + SPACES)]},
    "marks in the text": {"messages": [user("<|eot_id|> is a mark"), assistant("so is <|start_header_id|>, and <|no_mark|> is none")]},
    "ends with the user": {"messages": [user("a"), assistant("b"), user("c")]},
    "nobody answers": {"messages": [system("s"), user("a")]},
    "answers in a row": {"messages": [user("a"), assistant("b"), assistant("c")]},
}
PARTS = {
    "parts of text": {"messages": [system([part(" Be "), part("kind. ")]), user([part("What is "), part("2+2?")]), assistant([part(" Four"), part(", 4. ")]),
                                   user([]), assistant("?")]},
}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "Wetter für \"Köln\"\n", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}, "share": {"enum": [0.5, 1.0, 1e-07, 1e+16]}},
    "required": ["city"], "more": {}, "none": [], "ok": True, "not": None}}}
CALL = {"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "weather", "arguments": {"city": "Köln", "days": 2, "at": [1.5, {"a": None}]}}}]}
TOOLS = {
    "a call and its answer": {"messages": [user("Weather?"), CALL, {"role": "tool", "content": "sunny \"20°\""}, assistant("Sunny.")]},
    "an answer that is no text": {"messages": [user("Weather?"), CALL, {"role": "ipython", "content": {"t": 20.0, "of": [1, "x"]}}, assistant("20.")]},
    "described tools": {"messages": [system("Be kind."), user(" Weather? "), CALL], "tools": [WEATHER, {"type": "function", "function": {"name": "f"}}]},
    "described tools, no system": {"messages": [user("Weather?"), assistant("Where?"), user("Here"), CALL], "tools": [WEATHER]},
}


def labels_of(tokenizer, row, render):
    messages, tools = row["messages"], row.get("tools")
    text = render(messages, tools, False)
    spans = []
    for i, message in enumerate(messages):
        if message["role"] == "assistant":
            before, after = render(messages[:i], tools, True), render(messages[: i + 1], tools, False)
            assert text.startswith(before) and text.startswith(after) and after.endswith("<|eot_id|>")
            spans.append((len(before), len(after)))
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, places = encoded["input_ids"], encoded["offset_mapping"]
    labels = [token if any(a <= begin and end <= b for a, b in spans) else -100 for token, (begin, end) in zip(ids, places)]
    trained = tokenizer.decode([l for l in labels if l >= 0])
    assert trained == "".join(text[a:b] for a, b in spans), (trained, spans)
    bytes_before = lambda n: len(text[:n].encode())
    return text, ids, labels, [[bytes_before(a), bytes_before(b)] for a, b in spans]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", required=True, type=Path)
    parser.add_argument("--templates", required=True, type=Path, help="the folder with llama3.jinja and llama31.jinja")
    parser.add_argument("--out", required=True, type=Path)
    args = parser.parse_args()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(args.tokenizer)
    result = {}
    for family, variant, rows in (("llama3", "3", PLAIN | PARTS), ("llama31", "3.1", PLAIN | PARTS | TOOLS)):
        ours = (args.templates / f"{family}.jinja").read_text(encoding="utf-8").replace("@DATE@", DATE)
        result[family] = []
        for name, row in rows.items():
            def render(messages, tools, more, template=ours):
                return tokenizer.apply_chat_template(messages, tools=tools, chat_template=template, tokenize=False, add_generation_prompt=more)

            text, ids, labels, spans = labels_of(tokenizer, row, render)
            if name in PLAIN:
                other = make_tokenizer.CHAT[variant]
                assert labels_of(tokenizer, row, lambda m, t, more: render(m, t, more, other)) == (text, ids, labels, spans), name
            opened = render(row["messages"], row.get("tools"), True)
            assert opened.startswith(text)
            result[family].append({"name": name, "row": row, "text": text, "opened": opened[len(text):], "spans": spans, "ids": ids, "labels": labels})
    lines = ",\n".join(f' "{family}": [\n  ' + ",\n  ".join(json.dumps(c, ensure_ascii=True) for c in chats) + "\n ]" for family, chats in result.items())
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text("{\n" + lines + "\n}\n")
    print(f"{args.out}: {sum(len(c) for c in result.values())} chats, {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
