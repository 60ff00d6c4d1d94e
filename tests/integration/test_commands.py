#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""flamectl as its user meets it: exit statuses, the text, the files."""
import json
import os
import re
import subprocess
import xml.etree.ElementTree as xml

from harness import FLAMECTL, Scene, assert_equal, assert_in, main, share_of, test, wait_until, workload

COMMANDS = ("attach", "detach", "stop", "start", "list", "status", "dump", "svg", "top", "diff", "render", "collapse", "record")


def svg_titles(path):
    """Titles of the rectangles of an SVG that has to be well-formed."""
    return [element.text for element in xml.parse(path).iter("{http://www.w3.org/2000/svg}title")]


@test
def wrong_usage_is_exit_status_2_and_shows_the_usage(scene: Scene):
    for arguments in (["nonsense"], ["list", "--nonsense"], ["attach"], ["attach", "notapid"], ["dump", "--last", "soon"],
                      ["dump", "-f", "nonsense"], []):
        done = scene.flamectl(*arguments, status=2)
        assert_in("usage", done.stderr.lower(), arguments)
        assert_equal(done.stdout, "", arguments)


@test
def help_is_there_for_every_command(scene: Scene):
    general = scene.flamectl("--help").stdout
    for command in COMMANDS:
        assert_in(command, general)
        assert_in("usage", scene.flamectl(command, "--help").stdout.lower())


@test
def a_daemon_that_is_not_there_is_exit_status_3(scene: Scene):
    path = scene.path("nobody.sock")
    done = scene.flamectl("--socket", path, "list", status=3)
    assert_in(path, done.stderr)
    assert_in("flamed", done.stderr)
    done = scene.flamectl("status", status=3, env=dict(os.environ, FLAMED_SOCKET=path))
    assert_in(path, done.stderr)


@test
def commands_may_be_shortened_while_unambiguous(scene: Scene):
    scene.flamed()
    scene.flamectl("li")
    ambiguous = scene.flamectl("st", status=2).stderr
    for command in ("start", "status", "stop"):
        assert_in(command, ambiguous)


@test
def attach_and_detach_print_a_line_a_target(scene: Scene):
    scene.flamed()
    programs = [scene.workload("sample_program") for _ in range(2)]
    pids = [str(program.pid) for program in programs]
    lines = scene.flamectl("attach", *pids).stdout.splitlines()
    assert_equal(len(lines), 2, lines)
    for pid, line in zip(pids, lines):
        assert_in(pid, line)
    lines = scene.flamectl("detach", *pids).stdout.splitlines()
    assert_equal(len(lines), 2, lines)


@test
def svg_goes_to_standard_output_when_redirected_and_to_the_file_named(scene: Scene):
    scene.flamed()
    program = scene.workload("sample_program")
    scene.attach(program, "-F", "499")
    scene.wait_samples(program.pid, 300)
    with open(scene.path("out.svg"), "w", encoding="utf-8") as file:
        file.write(scene.flamectl("svg", program.pid).stdout)
    scene.flamectl("svg", program.pid, "-o", scene.path("named.svg"))
    for name in ("out.svg", "named.svg"):
        titles = " ".join(svg_titles(scene.path(name)))
        for function in ("run_workload", "compute_hot", "compute_medium", "compute_cold"):
            assert_in(function, titles, name)


@test
def top_shows_the_hottest_function_first(scene: Scene):
    scene.flamed()
    program = scene.workload("sample_program")
    scene.attach(program, "-F", "499")
    scene.wait_samples(program.pid, 1000)
    lines = [line for line in scene.flamectl("top", program.pid, "-n", "3").stdout.splitlines() if "compute_" in line]
    assert_equal([re.search(r"compute_\w+", line).group() for line in lines], ["compute_hot", "compute_medium", "compute_cold"])
    share = float(re.search(r"([\d.]+) ?%", lines[0]).group(1))
    assert 60 < share < 80, lines[0]


@test
def json_prints_the_result_of_the_protocol(scene: Scene):
    daemon = scene.flamed()
    program = scene.workload("sample_program")
    scene.attach(program, "-F", "499")
    scene.wait_samples(program.pid, 100)
    assert_equal(set(scene.flamectl_json("status")) - set(daemon.request("status")), set())
    assert_equal(scene.flamectl_json("list")["targets"][0]["pid"], program.pid)
    profile = json.loads(scene.flamectl("dump", program.pid, "-f", "json").stdout)
    assert_equal(profile["flame_profile"], 1)
    assert profile["rows"]


@test
def a_dump_can_be_rendered_later(scene: Scene):
    scene.flamed()
    program = scene.workload("sample_program")
    scene.attach(program, "-F", "499")
    scene.wait_samples(program.pid, 300)
    for layout in ("folded", "json"):
        scene.flamectl("dump", program.pid, "-f", layout, "-o", scene.path(layout))
        scene.flamectl("render", scene.path(layout), "-o", scene.path(layout + ".svg"))
        assert_in("compute_hot", " ".join(svg_titles(scene.path(layout + ".svg"))))


@test
def record_samples_a_process_for_a_while_and_leaves_no_target(scene: Scene):
    scene.flamed()
    program = scene.workload("sample_program")
    scene.flamectl("record", "-d", "2s", "-F", "499", "-o", scene.path("p.svg"), program.pid)
    assert_in("compute_hot", " ".join(svg_titles(scene.path("p.svg"))))
    assert_equal(scene.target(program.pid), None)
    scene.flamectl("record", "-d", "300ms", "-F", "499", "-o", scene.path("q.svg"), program.pid, "--title", "T<itle", "--width", "700", "--colors", "java",
                   "--countname", "ticks", "--inverted", "--reverse", "--notes", "a note")
    with open(scene.path("q.svg"), encoding="utf-8") as file:
        picture = file.read()
    for part in ('<!-- a note -->', 'width="700"', ">T&lt;itle</title>", " ticks, ", '"reverse":true', '"inverted":true'):
        assert_in(part, picture)


@test
def record_leaves_what_others_measure_going(scene: Scene):
    scene.flamed()
    program = scene.workload("sample_program")
    scene.flamectl("attach", program.pid, "-e", "cpu,fault")
    scene.flamectl("record", "-d", "1s", "-e", "offcpu", "--waker", "-o", scene.path("w.svg"), program.pid)
    target = scene.target(program.pid)
    assert_equal(set(target["events"]), {"cpu", "fault", "offcpu"})
    assert target["waker"]


@test
def record_passes_the_exit_status_of_a_command_on(scene: Scene):
    scene.flamed()
    for status in (0, 7):
        scene.flamectl("record", "-F", "999", "-o", scene.path("c.svg"), "--", "sh", "-c",
                       f"{workload('sample_program')} 1; exit {status}", status=status)
        assert_in("compute_hot", " ".join(svg_titles(scene.path("c.svg"))))
    missing = scene.flamectl("record", "-o", scene.path("m.svg"), "--", scene.path("missing"), status=None)
    assert missing.returncode != 0 and missing.stderr, missing


@test
def record_samples_a_command_from_its_first_instruction(scene: Scene):
    scene.flamed()
    scene.flamectl("record", "-F", "4999", "-o", scene.path("s.svg"), "--", workload("sample_program"), "0.3")
    assert_in("compute_hot", " ".join(svg_titles(scene.path("s.svg"))))


@test
def two_windows_can_be_compared(scene: Scene):
    scene.flamed()
    program = scene.workload("sample_program")
    scene.attach(program, "-F", "499")
    scene.wait_samples(program.pid, 1500)
    text = scene.flamectl("diff", program.pid, "--base", "-30s..-2s", "--new", "-2s..-0s", "-f", "folded").stdout
    rows = [line.rsplit(" ", 2) for line in text.splitlines()]
    assert any("compute_hot" in row[0] and int(row[1]) > 0 and int(row[2]) > 0 for row in rows), text[:500]


@test
def output_that_nobody_reads_is_no_crash(scene: Scene):
    scene.flamed()
    program = scene.workload("many_stacks", 5000)
    scene.attach(program, "-F", "4999")
    scene.wait_samples(program.pid, 3000)
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([FLAMECTL, "--socket", scene.daemons[-1].socket_path, "dump"], stdin=subprocess.DEVNULL, stdout=writer,
                          stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writer)
    assert done.returncode not in (0, -11, -6), done


@test
def per_process_folded_text_names_the_pid(scene: Scene):
    scene.flamed()
    program = scene.workload("sample_program")
    scene.attach(program, "-F", "499")
    scene.wait_samples(program.pid, 200)
    rows = scene.folded(program.pid, "--by-process")
    assert_equal({frames[0] for frames, _ in rows}, {f"sample_program/{program.pid}"})
    assert share_of(rows, "compute_hot") > 50
    wait_until(lambda: scene.flamectl("list").stdout.count("sample_program"), "the list names it")


@test
def a_picture_that_was_mailed_can_be_dumped_and_listed(scene: Scene):
    scene.flamed()
    program = scene.workload("sample_program")
    scene.attach(program, "-F", "499")
    scene.wait_samples(program.pid, 200)
    scene.flamectl("svg", program.pid, "-o", scene.path("picture.svg"))
    scene.daemons[-1].stop()  # nobody is there to be asked
    assert share_of(scene.folded(scene.path("picture.svg")), "compute_hot") > 50
    assert_in("compute_hot", scene.flamectl("top", scene.path("picture.svg")).stdout)
    profile = json.loads(scene.flamectl("dump", "-f", "json", scene.path("picture.svg")).stdout)
    assert_equal(profile["processes"][0]["name"], "sample_program")
    assert_in("is for flamed", scene.flamectl("dump", "--last", "5s", scene.path("picture.svg"), status=2).stderr)


main()
