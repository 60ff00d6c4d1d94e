#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turn files into one C string: embed.py OUTPUT.c NAME FILE...

Comment lines and indentation stay behind: they are for who reads the source, not for each picture.
Scripts become one function, so that several pictures in one page do not meet.
"""
import re
import sys

OUTPUT, NAME, FILES = sys.argv[1], sys.argv[2], sys.argv[3:]
COMMENT = re.compile(r"^\s*(//.*|/\*.*\*/\s*)?$")


def strip(text):
    """The file without licence, comments on lines of their own, and indentation."""
    text = re.sub(r"^\s*/\*.*?\*/[ \t]*$", "", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(line.strip() + "\n" for line in text.splitlines() if not COMMENT.match(line))


# Strings, templates and regular expressions stay as they are; blanks beside other punctuation go.
TOKEN = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`|(?<=[(,=:])\s*/(?![/*])(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\\n])+/[a-z]*"""
                   r"""|[ ]+(?=[{}()\[\];,=?:&|!*]|[+](?![+=])|-(?![-=]))|(?<=[{}(\[;,=?:&|!*])[ ]+|(?<=[^+ ] [+])[ ]+(?![+])|(?<=[^- ] -)[ ]+(?!-)""")


def squeeze(line):
    return TOKEN.sub(lambda match: "" if match.group(0).isspace() else match.group(0), line)


def quote(line):
    # Plain ASCII survives every --encoding.
    line = "".join(c if ord(c) < 128 else f"\\u{ord(c):04x}" for c in line)
    return '"' + line.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?") + '\\n"'


lines = []
is_script = FILES[0].endswith(".js")
if is_script:
    lines += ["(() => {", "'use strict';"]
for path in FILES:
    with open(path, encoding="utf-8") as file:
        text = strip(file.read())
    lines += map(squeeze, text.splitlines()) if is_script else text.splitlines()
if is_script:
    lines.append("})();")
if any("]]>" in line for line in lines):
    sys.exit(f"{NAME}: ']]>' would end the CDATA section that it goes into")
with open(OUTPUT, "w", encoding="utf-8") as file:
    file.write(f'#include "client/flamegraph/assets.h"\n\nconst char {NAME}[] =\n\t')
    file.write("\n\t".join(quote(line) for line in lines) + ";\n")
