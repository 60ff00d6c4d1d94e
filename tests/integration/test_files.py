#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""flamectl on files alone, without flamed: what render, diff, collapse, dump and top make of them."""
import json
import os
import re
import subprocess

from harness import FLAMECTL, Scene, Skip, assert_equal, assert_in, main, test

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "shared", "data", "flamegraph")


def write(scene, name, text):
    with open(scene.path(name), "w", encoding="utf-8") as file:
        file.write(text)
    return scene.path(name)


def draw(scene, name, *arguments, command="render"):
    scene.flamectl(command, *arguments, "-o", scene.path(name))
    return scene.path(name)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def folded(scene, *arguments, command="render"):
    return scene.flamectl(command, *arguments, "-f", "folded").stdout


@test
def a_difference_in_folded_text_is_that_of_difffolded(scene: Scene):
    base = write(scene, "base", "main;walk 0x12ab;read 10\nmain;gone 3\nmain;walk 0x7f 4\nmain;tiny 1\nmain;half 1.5\nmain;half 1\n")
    new = write(scene, "new", "main;walk 0x99;read 40\nmain;new 12\nmain;walk 0x7f 8\nmain;tiny 1\nmain;half 2.25\n")
    # Counts of equal stacks are added up; what is in one file alone has a 0.
    assert_equal(folded(scene, base, new, command="diff"),
                 "main;gone 3 0\nmain;half 2.5 2.25\nmain;new 0 12\nmain;tiny 1 1\n"
                 "main;walk 0x12ab;read 10 0\nmain;walk 0x7f 4 8\nmain;walk 0x99;read 0 40\n")
    # -n: first counts times 63.25 / 20.5, cut to whole numbers.
    assert_equal(folded(scene, base, new, "-n", command="diff"),
                 "main;gone 9 0\nmain;half 7 2.25\nmain;new 0 12\nmain;tiny 3 1\n"
                 "main;walk 0x12ab;read 30 0\nmain;walk 0x7f 12 8\nmain;walk 0x99;read 0 40\n")
    # -s: addresses are one.
    assert_equal(folded(scene, base, new, "-s", command="diff"),
                 "main;gone 3 0\nmain;half 2.5 2.25\nmain;new 0 12\nmain;tiny 1 1\nmain;walk 0x... 4 8\nmain;walk 0x...;read 10 40\n")


@test
def a_difference_of_the_reference_data_is_that_of_difffolded(scene: Scene):
    if not os.path.isdir(DATA):
        raise Skip("needs the reference data")
    for option, expected in ((), "difffolded.folded"), (("-n",), "difffolded.n.folded"), (("-s",), "difffolded.s.folded"):
        ours = folded(scene, os.path.join(DATA, "base.folded"), os.path.join(DATA, "new.folded"), *option, command="diff")
        assert_equal(sorted(ours.splitlines()), sorted(read(os.path.join(DATA, expected)).splitlines()), option)


@test
def nothing_to_count_is_an_error_and_no_picture(scene: Scene):
    empty = write(scene, "empty", "")
    nothing = write(scene, "nothing", "main;work 0\n")
    for arguments in ("render", empty), ("render", nothing), ("render", empty, "-f", "folded"), ("diff", empty, empty), ("collapse", empty), \
            ("dump", empty), ("svg", empty, "-o", "-"), ("top", empty), ("dump", nothing):
        done = scene.flamectl(*arguments, status=1)
        assert_equal(done.stdout, "", arguments)
        assert_equal(len(done.stderr.splitlines()), 1, done.stderr)


@test
def lines_of_no_form_are_counted_and_the_others_drawn(scene: Scene):
    done = scene.flamectl("render", write(scene, "bad", "a;b 1\nno count\na;c -3\na;d 2.5\n\n"), "-f", "folded")
    assert_equal(done.stdout, "a;b 1\na;d 2.5\n")
    assert_in("2 lines are not of the form of folded text", done.stderr)


@test
def files_of_every_kind_are_merged(scene: Scene):
    text = write(scene, "text", "server;main 5\n")
    script = write(scene, "script", "server 1/2 [000] 1.0: 10 cycles: \n\t    55d0c0dc7c10 main+0x1 (/bin/server)\n\n")
    dump = write(scene, "dump.json", folded_json(scene, text))
    picture = draw(scene, "picture.svg", text)
    assert_equal(folded(scene, text, script, dump, picture), "server;main 25\n")


def folded_json(scene, path):
    return scene.flamectl("render", path, "-f", "json").stdout


@test
def top_of_a_difference_tells_what_changed_in_words(scene: Scene):
    base = write(scene, "base", "main;steady 500\nmain;grew 100\nmain;gone 200\nmain;rest 1200\n")
    new = write(scene, "new", "main;steady 505\nmain;grew 250\nmain;rest 1245\n")
    picture = draw(scene, "diff.svg", base, new, command="diff")
    words = scene.flamectl("top", picture).stdout
    assert_in("gone vanished from 10.00 %", words)
    assert_in("grew grew from 5.00 % to 12.50 %", words)
    assert "steady" not in words, words
    assert_equal(scene.flamectl("top", picture, "-n", "1").stdout.count("self"), 1)
    assert_equal(scene.flamectl("diff", base, new, "-f", "text").stdout, words)
    changes = json.loads(scene.flamectl("--json", "top", picture).stdout)["changes"]
    assert_equal([change["name"] for change in changes], ["gone", "grew"])
    assert changes[1]["interval"][0] > 5


@test
def the_picture_of_a_difference_can_be_drawn_again(scene: Scene):
    base = write(scene, "base", "main;steady 500\nmain;grew 100\nmain;gone 200\nmain;rest 1200\n")
    new = write(scene, "new", "main;steady 505\nmain;grew 250\nmain;rest 1245\n")
    frames = scene.flamectl("diff", base, new, "-f", "frames").stdout
    picture = draw(scene, "diff.svg", base, new, command="diff")
    assert_equal(scene.flamectl("render", picture, "-f", "frames").stdout, frames)
    assert_in("gone (10.00% before", frames)
    # Text with two counts is compared as it is, unless shares are asked for.
    both = write(scene, "both", folded(scene, base, new, command="diff"))
    assert "gone" not in scene.flamectl("render", both, "-f", "frames").stdout
    assert_equal(scene.flamectl("render", both, "-f", "frames", "--significance", "0.05", "--width-by", "larger").stdout, frames)


@test
def top_of_text_has_margins(scene: Scene):
    lines = scene.flamectl("top", write(scene, "text", "main;half 50\nmain;rest 50\n")).stdout.splitlines()
    # 1.96 * sqrt(0.5 * 0.5 / 100)
    assert re.match(r" *50.0% +9.8 ", lines[3]), lines


@test
def options_that_choose_samples_are_not_for_files(scene: Scene):
    text = write(scene, "text", "main 1\n")
    for option in ("--last", "30s"), ("--from", "-1m"), ("-e", "offcpu"), ("--no-kernel",):
        for command in "dump", "top", "svg":
            assert_in("a file holds what was recorded", scene.flamectl(command, text, *option, status=2).stderr)


@test
def colours_are_kept_in_palette_map(scene: Scene):
    text = write(scene, "text", "main;work 5\nmain;rest 5\n")
    write(scene, "palette.map", "work->rgb(1,2,3)\nzebra->rgb(9,9,9)\n")
    frames = scene.flamectl("render", text, "--cp", "-f", "frames").stdout
    assert re.search(r"rgb\(1,2,3\)\twork\twork", frames), frames
    lines = read(scene.path("palette.map")).splitlines()
    assert_equal(lines, sorted(lines))
    assert_equal([line.split("->")[0] for line in lines], ["", "main", "rest", "work", "zebra"])
    assert_equal(scene.flamectl("render", text, "--cp", "-f", "frames").stdout, frames)


@test
def the_options_that_flamegraph_pl_does_not_tell_are_there(scene: Scene):
    text = write(scene, "text", "main;h\u00f6he 5\nmain;\u2603 5\n")
    encoded = open(draw(scene, "encoded.svg", text, "--encoding", "ISO-8859-1"), "rb").read()
    assert encoded.startswith(b'<?xml version="1.0" encoding="ISO-8859-1"'), encoded[:60]
    assert b"h\xf6he (5 samples, 50.00%)" in encoded
    frames = scene.flamectl("render", text, "-f", "frames", "--factor", "3", "--total", "20", "--fontwidth", "10").stdout
    assert_in("main (30 samples, 50.00%)", frames)
    # Half of a width that stands for 20, and no room for four wide letters.
    assert re.search(r"\t295.0\t15.0\trgb\([^)]*\)\t\th\u00f6he \(15 samples, 25.00%\)", frames), frames
    attributes = write(scene, "attributes", "main\tid=one\tclass=two\ttitle=three\thref=four\ttarget=five\tg_extra=x='6'\ta_extra=y='7'\n")
    picture = read(draw(scene, "named.svg", text, "--nameattr", attributes))
    assert re.search(r'<g id="one" class="two" x=.6.><a xlink:href="four" target="five" y=.7.><rect[^>]*><title>three</title>', picture), picture[:5000]
    scene.flamectl("render", text, "--nameattr", scene.path("nowhere"), status=1)


@test
def what_is_too_much_to_keep_is_drawn_and_said(scene: Scene):
    lines = [f"root;{';'.join(f'f{(i * 7 + k) % 5000}' for k in range(40))} {1 + i % 9}" for i in range(9000)]
    text = write(scene, "text", "\n".join(lines) + "\n")
    for options in ([], ["--reverse"]):
        picture = draw(scene, "large.svg", text, *options)
        assert_in("only what is drawn is in the file", read(picture).split('id="footer"')[1])
        done = scene.flamectl("dump", picture)
        assert_in("only what is drawn", done.stderr)
        assert all(line.startswith("root") for line in done.stdout.splitlines())
        total = sum(int(line.split()[-1]) for line in lines)
        assert_equal(sum(int(line.split()[-1]) for line in done.stdout.splitlines()), total)


@test
def an_inlined_function_is_found_by_addr2line_once_a_module(scene: Scene):
    build_inlined(scene)
    symbols = subprocess.run(["nm", scene.path("program")], capture_output=True, text=True, check=True).stdout
    start = next(int(line.split()[0], 16) for line in symbols.splitlines() if line.endswith(" outer"))
    script = "".join(f"program 1/1 [000] {at}.0: 1 cycles: \n\t{start + at:16x} outer+0x{at:x} ({scene.path('program')})\n\n" for at in range(0, 40))
    path = write(scene, "script", script)
    count = write(scene, "addr2line", f"#!/bin/sh\necho >>{scene.path('runs')}\nexec {which('addr2line')} \"$@\"\n")
    os.chmod(count, 0o755)
    environment = dict(os.environ, PATH=scene.folder + ":" + os.environ["PATH"])
    done = scene.flamectl("collapse", "--inline", path, env=environment)
    assert_in("program;outer;inner ", done.stdout)
    assert read(scene.path("runs")).count("\n") <= 2
    with_places = scene.flamectl("collapse", "--inline", "--context", path).stdout
    assert re.search(r"program;outer:program\.c:\d+;inner:program\.c:\d+ \d+", with_places), with_places
    without = scene.flamectl("collapse", path).stdout
    assert_equal(without, "program;outer 40\n")


def build_inlined(scene):
    if not which("cc") or not which("addr2line") or not which("nm"):
        raise Skip("needs cc, nm and addr2line")
    write(scene, "program.c", "volatile int sink;\n"
          "static inline __attribute__((always_inline)) void inner(int n) { for (int i = 0; i < n; i++) sink += i * n; }\n"
          "__attribute__((noinline)) void outer(int n) { inner(n); sink = 0; }\n"
          "int main(int argc, char **argv) { (void)argv; outer(argc); return 0; }\n")
    scene.run("cc", "-O1", "-g", "-no-pie", "-o", scene.path("program"), scene.path("program.c"))


def which(name):
    return next((os.path.join(folder, name) for folder in os.environ["PATH"].split(":") if os.path.exists(os.path.join(folder, name))), None)


@test
def an_addr2line_that_hangs_is_not_waited_for(scene: Scene):
    hung = write(scene, "addr2line", "#!/bin/sh\nexec sleep infinity\n")
    os.chmod(hung, 0o755)
    path = write(scene, "script", f"program 1/1 [000] 1.0: 1 cycles: \n\t    55d0c0dc7c10 main+0x1 ({FLAMECTL})\n\n")
    environment = dict(os.environ, PATH=scene.folder + ":" + os.environ["PATH"])
    done = scene.flamectl("collapse", "--inline", "--inline-timeout", "200ms", path, env=environment)
    assert_equal(done.stdout, "program;main 1\n")
    assert_in("addr2line", done.stderr)


main()
