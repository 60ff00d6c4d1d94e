#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What clients may send: an error or a closed connection for that client alone, and the daemon goes on."""
import contextlib
import json
import random
import select
import socket

from harness import ProtocolError, Scene, assert_equal, assert_in, main, socket_count, test, wait_until

MAX_REQUEST = 65536


def answer_to(daemon, data):
    """The answer to bytes sent on a connection of their own (None: closed without one)."""
    with contextlib.closing(daemon.connect()) as connection:
        connection.send_bytes(data)
        return connection.read()


def assert_serves(daemon):
    assert_in("version", daemon.request("status"))


@test
def the_server_greets_first(scene: Scene):
    greeting = scene.flamed().connect().greeting
    assert_equal((greeting["protocol"], greeting["level"], greeting["uid"], greeting["max_request"]), (1, "all", 0, MAX_REQUEST))


@test
def what_is_not_json_is_answered_and_closes_the_connection(scene: Scene):
    daemon = scene.flamed()
    for text in (b"hello\n", b"{\n", b"\xff\xfe\n", b"{\"id\":1,}\n", b"\x00\n"):
        with contextlib.closing(daemon.connect()) as connection:
            connection.send_bytes(text)
            assert_equal(connection.read()["error"]["code"], -32700, text[:20])
            assert connection.is_closed(), text[:20]
    assert_serves(daemon)


@test
def json_as_deep_as_a_line_is_long_is_an_error(scene: Scene):
    daemon = scene.flamed()
    for text in (b"[" * 60000, b'{"a":' * 12000, b'{"id":' + b"[" * 60000):
        answer = answer_to(daemon, text + b"\n")
        assert answer is None or answer["error"]["code"] in (-32700, -32600), answer
    assert_serves(daemon)


@test
def what_is_no_request_is_an_error(scene: Scene):
    daemon = scene.flamed()
    for text in (b"[]\n", b"1\n", b"\"status\"\n", b"{}\n", b'{"id":1}\n', b'{"id":1,"method":5}\n',
                 b'{"id":1,"method":"status","params":[]}\n', b'{"id":1,"method":"status","surplus":1}\n'):
        code = answer_to(daemon, text)["error"]["code"]
        assert code in (-32700, -32600, -32602), (text, code)
    assert_serves(daemon)


@test
def unknown_methods_and_parameters_are_errors_of_their_own(scene: Scene):
    daemon = scene.flamed()
    for method, params, name in (("nothing", {}, "unknown-method"), ("status", {"x": 1}, "unknown-parameter"),
                                 ("attach", {}, "bad-parameter"), ("attach", {"pid": "1"}, "bad-parameter"),
                                 ("attach", {"pid": -1}, "bad-parameter"), ("attach", {"pid": 2 ** 40}, "bad-parameter"),
                                 ("attach", {"pid": 1, "all": True}, "bad-parameter"), ("detach", {"targets": "1"}, "bad-parameter"),
                                 ("dump", {"last_ms": "x"}, "bad-parameter"), ("dump", {"event": "nonsense"}, "bad-parameter"),
                                 ("dump", {"targets": [1]}, "bad-parameter"), ("dump", {"targets": ["nonsense"]}, "bad-parameter")):
        try:
            daemon.request(method, **params)
        except ProtocolError as error:
            assert_equal(error.name, name, (method, params, error.message))
        else:
            raise AssertionError(f"{method} {params} was no error")


@test
def an_id_of_any_type_comes_back(scene: Scene):
    with contextlib.closing(scene.flamed().connect()) as connection:
        for wanted in (1, -1, 2 ** 53, 1.5, "x", "\u00e4\u2603", "", None, True, [1, "a"], {"a": {"b": []}}):
            connection.send({"id": wanted, "method": "list"})
            answer = connection.read()
            assert_equal((answer["id"], "result" in answer), (wanted, True))
        connection.send({"method": "list"})
        assert_equal(connection.read()["id"], None)


@test
def a_request_that_is_too_long_is_refused_and_the_longest_is_not(scene: Scene):
    daemon = scene.flamed()
    request = json.dumps({"id": 1, "method": "list", "params": {}}).encode()
    fits = request + b" " * (MAX_REQUEST - 1 - len(request)) + b"\n"
    assert_in("result", answer_to(daemon, fits))
    with contextlib.closing(daemon.connect()) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.send_bytes(b'{"id":1,"method":"' + b"x" * (4 * MAX_REQUEST))
        with contextlib.suppress(ConnectionResetError):
            answer = connection.read()
            assert answer is None or answer["error"]["name"] == "request-too-long", answer
        assert connection.is_closed()
    assert_serves(daemon)


@test
def half_a_line_waits_for_its_other_half(scene: Scene):
    daemon = scene.flamed()
    with contextlib.closing(daemon.connect()) as connection:
        connection.send_bytes(b'{"id":7,"meth')
        assert_serves(daemon)
        connection.send_bytes(b'od":"list"}\n{"id":8,')
        assert_equal(connection.read()["id"], 7)
    assert_serves(daemon)


@test
def ten_thousand_pipelined_requests_are_all_answered(scene: Scene):
    daemon = scene.flamed()
    with contextlib.closing(daemon.connect()) as connection:
        connection.socket.setblocking(False)
        pending = b"".join(b'{"id":%d,"method":"list"}\n' % number for number in range(10000))
        received = b""
        while received.count(b"\n") < 10000:
            writable = [connection.socket] if pending else []
            ready = select.select([connection.socket], writable, [], 20)
            assert ready[0] or ready[1], f"{received.count(bytes([10]))} answers, then silence"
            if ready[1]:
                pending = pending[connection.socket.send(pending[:65536]):]
            if ready[0]:
                data = connection.socket.recv(1 << 20)
                assert data, "flamed closed the connection"
                received += data
        ids = {json.loads(line)["id"] for line in received.splitlines()}
        assert_equal(len(ids), 10000)


@test
def a_client_that_never_reads_costs_nobody_else(scene: Scene):
    daemon = scene.flamed()
    program = scene.workload("many_stacks", 5000)
    scene.attach(program, "-F", "4999")
    scene.wait_samples(program.pid, 5000)
    core = daemon.core()
    before = socket_count(core)
    deaf = [daemon.connect() for _ in range(4)]
    for connection in deaf:
        connection.socket.setblocking(False)
        line = b'{"id":1,"method":"dump","params":{}}\n'
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            for _ in range(2000):
                connection.socket.send(line)
    assert_serves(daemon)
    memory = daemon.request("status")["memory"]["rss_bytes"]
    assert memory < 300 << 20, f"{memory} bytes for clients that do not read"
    for connection in deaf:
        connection.close()
    wait_until(lambda: socket_count(core) <= before, "the connections are forgotten")
    assert_serves(daemon)


@test
def many_connections_at_once_leave_room_for_the_next(scene: Scene):
    daemon = scene.flamed()
    core = daemon.core()
    before = socket_count(core)
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            one = stack.enter_context(socket.socket(socket.AF_UNIX))
            one.settimeout(5)
            try:
                one.connect(daemon.socket_path)
            except OSError:
                break
    # What waited in the queue is accepted and found closed first.
    wait_until(lambda: can_connect(daemon), "there is room again")
    wait_until(lambda: socket_count(core) <= before, "the connections are forgotten")
    assert_serves(daemon)


def can_connect(daemon):
    try:
        daemon.connect().close()
        return True
    except OSError:
        return False


@test
def garbage_of_many_kinds_leaves_the_daemon_as_it_was(scene: Scene):
    daemon = scene.flamed()
    chance = random.Random(7)
    words = [b'{"id":1,', b'"method":', b'"attach"', b'"dump"', b"}", b"{", b"[", b"]", b'"params":', b"1e999", b"-", b"\n", b"\\u0000",
             b'"targets":', b'["1"]', b"\xc3", b"null", b"true", b'"last_ms":', b"99999999999999999999", b'"from":', b"1e300"]
    for _ in range(300):
        with contextlib.closing(daemon.connect()) as connection:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.send_bytes(b"".join(chance.choice(words) for _ in range(chance.randrange(40))) + b"\n")
    assert_serves(daemon)
    assert_equal(daemon.process.poll(), None)


@test
def describe_names_every_method(scene: Scene):
    text = json.dumps(scene.flamed().request("describe"))
    for method in ("attach", "detach", "start", "stop", "list", "status", "dump", "describe", "subscribe", "cancel"):
        assert_in(f'"{method}"', text)


@test
def a_subscriber_hears_of_targets_until_it_cancels(scene: Scene):
    daemon = scene.flamed()
    program = scene.workload("sample_program")
    with contextlib.closing(daemon.connect()) as connection:
        connection.send({"id": "s", "method": "subscribe", "params": {"events": ["targets"]}})
        assert_equal(connection.read(), {"id": "s", "result": {"subscribed": True}})
        scene.attach(program)
        heard = connection.read()
        assert_equal((heard["id"], heard["event"]["change"], heard["event"]["target"]["pid"]), ("s", "attached", program.pid))
        program.kill()
        program.wait()
        assert_equal(connection.read()["event"]["change"], "exited")
        connection.request("cancel", request="s")


main()
