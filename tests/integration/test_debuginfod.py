#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Debug files from debuginfod servers: names for stripped programs, and servers that hang, lie or never end."""
import contextlib
import http.client
import http.server
import os
import shutil
import signal
import socket
import threading

from harness import (FLAMED, PATIENCE, Scene, assert_equal, assert_in, main, need_root, need_tool, proc_status, test, wait_until,
                     workload)

HOT = "compute_hot"


def free_port():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def strip(scene, name="stripped"):
    """A stripped copy of the sample program and its debug file, which lies where nobody looks for it."""
    objcopy = need_tool("objcopy")
    program, debug = scene.path(name), os.path.join(scene.path("debug-files"), name + ".debug")
    os.makedirs(os.path.dirname(debug), exist_ok=True)
    shutil.copy(workload("sample_program"), program)
    for command in ([objcopy, "--only-keep-debug", program, debug], [objcopy, "--strip-all", program]):
        done = scene.run(*command)
        assert_equal(done.returncode, 0, done.stderr)
    return program, debug


def build_id_of(scene, program):
    notes = scene.run(need_tool("readelf"), "-n", program).stdout
    return notes.partition("Build ID: ")[2].split()[0]


def names_of(scene, pid):
    """Names of the frames that the last minutes of a process show."""
    profile = scene.profile(targets=[str(pid)], last_ms=600000)
    return {frame[0] for frame in profile["frames"]}


def counters(scene):
    found = scene.daemons[-1].request("status")["counters"]
    return {name.partition(".")[2]: value for name, value in found.items() if name.startswith("debuginfod.")}


def profile(scene, program):
    """Start the program and have it profiled; returns its pid once there are samples."""
    process = scene.start(program)
    scene.daemons[-1].request("attach", pid=process.pid, rate_hz=199)
    scene.wait_samples(process.pid, 20)
    return process.pid


def assert_unnamed(scene, pid, program):
    """The program's frames are module+offset."""
    names = names_of(scene, pid)
    assert HOT not in names, names
    assert any(name.startswith(os.path.basename(program) + "+0x") for name in names), names


def fetchers(scene):
    return [pid for pid in scene.daemons[-1].pids() if (proc_status(pid) or {}).get("Name") == "flamed-fetch"]


class Server(http.server.ThreadingHTTPServer):
    """A server on loopback whose answers the test decides about: answer(handler)."""
    daemon_threads = True
    block_on_close = False

    def __init__(self, scene, answer):
        server = self
        self.asked = []
        self.ended = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                server.asked.append(self.path)
                with contextlib.suppress(OSError):
                    answer(server, self)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        scene.stack.callback(self.end)

    def end(self):
        self.ended.set()
        self.shutdown()
        self.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


def hang(server, _handler):
    server.ended.wait(10 * PATIENCE)


def page(_server, handler):
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b"<html>please log in</html>\n")


def absent(_server, handler):
    handler.send_error(404)


def endless(server, handler):
    """An ELF file without an end, as fast as it is taken."""
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b"\x7fELF\x02\x01\x01")
    while not server.ended.is_set():
        handler.wfile.write(bytes(65536))


def huge(server, handler):
    handler.send_response(200)
    handler.send_header("Content-Length", str(1 << 40))
    handler.end_headers()
    handler.wfile.write(b"\x7fELF")
    server.ended.wait(10 * PATIENCE)


def file_answer(path):
    def answer(_server, handler):
        handler.send_response(200)
        handler.end_headers()
        with open(path, "rb") as file:
            shutil.copyfileobj(file, handler.wfile)
    return answer


@test
def a_stripped_program_gets_its_names_from_debuginfod(scene: Scene):
    """Debian's own server."""
    need_root()
    command = need_tool("debuginfod")
    program, debug = strip(scene)
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if name != "DEBUGINFOD_URLS"}
    log = open(scene.path("debuginfod.log"), "wb")
    scene.stack.callback(log.close)
    scene.start(command, "-F", "-d", ":memory:", "-p", port, "-vv", os.path.dirname(debug), stdout=log, stderr=log,
                env=dict(environment, HOME=scene.folder), cwd=scene.folder)
    build_id = build_id_of(scene, program)
    url = f"http://127.0.0.1:{port}"

    def is_served():
        with contextlib.suppress(OSError):
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
                connection.request("GET", f"/buildid/{build_id}/debuginfo")
                return connection.getresponse().status == 200
        return False
    wait_until(is_served, "debuginfod has indexed the debug file")
    daemon = scene.flamed(env={"DEBUGINFOD_URLS": f"http://name:secret@127.0.0.1:{port} {url}/"})
    assert_equal(daemon.request("status")["debuginfod"], {"on": True, "servers": [url, url + "/"]})
    assert_in(f"fetched from {url} {url}/\n", scene.flamectl("status").stdout)
    pid = profile(scene, program)
    wait_until(lambda: HOT in names_of(scene, pid), "names came from the server")
    assert_equal(counters(scene)["found"], 1)
    assert_equal([name for name in names_of(scene, pid) if name.startswith("stripped+0x")], [], "frames without name")


@test
def nothing_is_fetched_unless_servers_are_named(scene: Scene):
    need_root()
    program, debug = strip(scene)
    server = Server(scene, file_answer(debug))
    daemon = scene.flamed(env={"DEBUGINFOD_URLS": ""})
    assert_equal(daemon.request("status")["debuginfod"], {"on": False, "servers": []})
    pid = profile(scene, program)
    assert_unnamed(scene, pid, program)
    assert_equal(counters(scene)["asked"], 0)
    assert_equal(server.asked, [])
    assert_equal(fetchers(scene), [])


@test
def the_process_that_fetches_has_no_rights(scene: Scene):
    need_root()
    program, _ = strip(scene)
    server = Server(scene, hang)
    scene.flamed(env={"DEBUGINFOD_URLS": server.url})
    profile(scene, program)
    wait_until(lambda: server.asked, "the server is asked")
    status = proc_status(fetchers(scene)[0])
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert_equal(int(status[kind], 16), 0, kind)
    assert_equal(status["NoNewPrivs"], "1")
    assert_equal(status["Seccomp"], "2")
    assert "0" not in status["Uid"].split(), status["Uid"]


@test
def a_server_that_hangs_delays_nothing(scene: Scene):
    need_root()
    program, _ = strip(scene)
    server = Server(scene, hang)
    daemon = scene.flamed(env={"DEBUGINFOD_URLS": server.url})
    pid = profile(scene, program)
    wait_until(lambda: server.asked, "the server is asked")
    assert_unnamed(scene, pid, program)
    before = scene.target(pid)["samples"]
    scene.wait_samples(pid, before + 50)
    assert_unnamed(scene, pid, program)
    # It hangs still: neither the answers nor the end wait for it.
    assert_equal([counters(scene)[name] for name in ("found", "missing", "failed")], [0, 0, 0])
    daemon.stop()


@test
def a_server_that_hangs_is_given_up(scene: Scene):
    need_root()
    program, _ = strip(scene)
    server = Server(scene, hang)
    daemon = scene.flamed(env={"DEBUGINFOD_URLS": server.url, "DEBUGINFOD_TIMEOUT": "1", "DEBUGINFOD_RETRY_LIMIT": "0"})
    pid = profile(scene, program)
    wait_until(lambda: counters(scene)["failed"] == counters(scene)["asked"] >= 1, "the fetch failed")
    assert_unnamed(scene, pid, program)
    assert_equal(daemon.log().count("could not be fetched"), 1, "lines of the log")


def check_failure(scene, answer, most_bytes=None):
    """An answer like that is a failure, is counted, told once, and leaves nothing in the cache."""
    need_root()
    program, _ = strip(scene)
    server = Server(scene, answer)
    cache = scene.path("cache")
    environment = {"DEBUGINFOD_URLS": server.url, "DEBUGINFOD_RETRY_LIMIT": "0"}
    if most_bytes:
        environment["DEBUGINFOD_MAXSIZE"] = str(most_bytes)
    daemon = scene.flamed("--debuginfod-cache", cache, env=environment)
    pid = profile(scene, program)
    wait_until(lambda: counters(scene)["failed"] == counters(scene)["asked"] >= 1, "the fetch failed")
    assert_unnamed(scene, pid, program)
    assert_equal(daemon.log().count("could not be fetched"), 1, "lines of the log")
    kept = sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(cache) for name in names)
    assert kept < 4096, f"{kept} bytes are left in the cache"
    return program


@test
def a_page_instead_of_a_file_is_refused(scene: Scene):
    check_failure(scene, page)


@test
def a_stream_without_end_is_cut(scene: Scene):
    check_failure(scene, endless, 1 << 20)


@test
def a_huge_file_is_refused(scene: Scene):
    check_failure(scene, huge)


@test
def the_debug_file_of_another_program_gives_no_names(scene: Scene):
    need_root()
    program, _ = strip(scene)
    server = Server(scene, file_answer(workload("recursion")))
    scene.flamed(env={"DEBUGINFOD_URLS": server.url})
    pid = profile(scene, program)
    wait_until(lambda: counters(scene)["failed"] == counters(scene)["asked"] >= 1, "the file was refused")
    assert_unnamed(scene, pid, program)


@test
def what_no_server_has_is_no_failure(scene: Scene):
    need_root()
    program, _ = strip(scene)
    server = Server(scene, absent)
    daemon = scene.flamed(env={"DEBUGINFOD_URLS": server.url})
    pid = profile(scene, program)
    wait_until(lambda: counters(scene)["missing"] == counters(scene)["asked"] >= 1, "the server had none")
    assert_unnamed(scene, pid, program)
    assert_equal(counters(scene)["failed"], 0)
    assert "could not be fetched" not in daemon.log()


@test
def a_fetcher_that_dies_is_replaced(scene: Scene):
    need_root()
    program, debug = strip(scene)
    first = threading.Event()

    def answer(server, handler):
        if not first.is_set():
            first.set()
            hang(server, handler)
        else:
            file_answer(debug)(server, handler)
    server = Server(scene, answer)
    scene.flamed(env={"DEBUGINFOD_URLS": server.url})
    profile(scene, program)
    wait_until(first.is_set, "the first fetch is under way")
    os.kill(fetchers(scene)[0], signal.SIGKILL)
    wait_until(lambda: counters(scene)["failed"] >= 1, "its job failed")
    shutil.copy(program, scene.path("again"))
    pid = profile(scene, scene.path("again"))
    wait_until(lambda: HOT in names_of(scene, pid), "another fetcher got the names")


@test
def source_lines_come_with_the_file_and_not_before(scene: Scene):
    need_root()
    program, debug = strip(scene)
    go_on = threading.Event()
    scene.stack.callback(go_on.set)

    def answer(server, handler):
        go_on.wait(10 * PATIENCE)
        file_answer(debug)(server, handler)
    server = Server(scene, answer)
    scene.flamed(env={"DEBUGINFOD_URLS": server.url})
    pid = profile(scene, program)
    wait_until(lambda: server.asked, "the server is asked")

    def files():
        return scene.profile(targets=[str(pid)], last_ms=600000, lines=True)["files"]
    assert not any(name.endswith("sample_program.c") for name in files()), files()
    go_on.set()
    wait_until(lambda: any(name.endswith("sample_program.c") for name in files()), "lines of the program are told")


@test
def the_cache_serves_the_next_daemon(scene: Scene):
    need_root()
    program, debug = strip(scene)
    server = Server(scene, file_answer(debug))
    environment = {"DEBUGINFOD_URLS": server.url, "DEBUGINFOD_CACHE_PATH": scene.path("cache")}
    daemon = scene.flamed(env=environment)
    pid = profile(scene, program)
    wait_until(lambda: HOT in names_of(scene, pid), "names came from the server")
    daemon.stop()
    assert_equal(os.stat(scene.path("cache")).st_mode & 0o7777, 0o700)
    asked = [path for path in server.asked if build_id_of(scene, program) in path]
    assert_equal(len(asked), 1)
    server.end()
    scene.flamed(env=environment)
    pid = profile(scene, program)
    wait_until(lambda: HOT in names_of(scene, pid), "names came from the cache")


@test
def a_folder_made_for_one_run_is_removed(scene: Scene):
    need_root()
    program, debug = strip(scene)
    server = Server(scene, file_answer(debug))
    os.mkdir(scene.path("temporary"))
    os.chmod(scene.path("temporary"), 0o1777)
    daemon = scene.flamed(env={"DEBUGINFOD_URLS": server.url, "TMPDIR": scene.path("temporary")})
    pid = profile(scene, program)
    wait_until(lambda: HOT in names_of(scene, pid), "names came from the server")
    folders = os.listdir(scene.path("temporary"))
    assert_equal(len(folders), 1, f"{folders}")
    inside = os.path.join(scene.path("temporary"), folders[0])
    kept = sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(inside) for name in names)
    assert kept < 4096, f"{kept} bytes are kept"
    daemon.stop()
    assert_equal(os.listdir(scene.path("temporary")), [])


@test
def a_folder_that_others_can_write_to_is_refused(scene: Scene):
    need_root()
    os.mkdir(scene.path("open"))
    os.chmod(scene.path("open"), 0o777)
    for folder in (scene.path("open"), os.path.join(scene.path("open"), "cache")):
        done = scene.run(FLAMED, "--socket", scene.path("flamed.sock"), "--debuginfod-cache", folder,
                         env=dict(os.environ, DEBUGINFOD_URLS="http://127.0.0.1:1"))
        assert_equal(done.returncode, 1)
        assert_in("nobody else can write to", done.stderr)


main()
