#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""flamectl against servers that are not flamed, or a broken one: an exit status and a sentence, never a crash or a wait."""
import contextlib
import os
import socket
import threading

from harness import Scene, assert_equal, assert_in, main, test

GREETING = b'{"flamed":{"version":"9","protocol":1,"level":"all","uid":0,"max_request":65536}}\n'


class Server:
    """Sends each client the greeting and, when it has asked, the answer; then it hangs up."""

    def __init__(self, scene, greeting, answer=b""):
        self.path = scene.path("fake.sock")
        self.listener = socket.socket(socket.AF_UNIX)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self.listener.bind(self.path)
        self.listener.listen()
        self.greeting, self.answer = greeting, answer
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        scene.stack.callback(self.listener.close)

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                with client, contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    client.sendall(self.greeting)
                    if self.answer and client.recv(65536):
                        client.sendall(self.answer)


def ask(scene, greeting, answer, *command, status):
    server = Server(scene, greeting, answer)
    done = scene.flamectl("--socket", server.path, *command, status=status)
    assert done.stderr.startswith("flamectl: "), done.stderr
    assert "\x1b" not in done.stderr + done.stdout
    return done.stderr


@test
def what_does_not_greet_like_flamed_is_exit_status_3(scene: Scene):
    for greeting in (b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"{}\n", b"[]\n", b'{"flamed":5}\n', b"\xff\xff\n", GREETING[:-2]):
        assert_in("fake.sock", ask(scene, greeting, b"", "list", status=3), greeting)


@test
def a_daemon_that_hangs_is_not_waited_for(scene: Scene):
    path = scene.path("hung.sock")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(path)
        listener.listen(1)
        assert_in("does not answer", scene.flamectl("--socket", path, "list", status=3).stderr)
        # The queue of those that wait for it may be full, too.
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(path)
        assert_in("does not answer", scene.flamectl("--socket", path, "list", status=3).stderr)
        for one in waiting:
            one.close()


@test
def a_server_that_falls_silent_is_given_up(scene: Scene):
    start = b'{"id":1,"stream":{"type":"application/json"}}\n'
    for command, answer in ("list", b""), ("list", b'{"id":1,"res'), ("dump", start), ("dump", start + b'{"id":1,"chunk":100}\nhalf'):
        path = scene.path("silent.sock")
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
            listener.bind(path)
            listener.listen()

            def serve(listener=listener, answer=answer):
                client, _ = listener.accept()
                with client, contextlib.suppress(OSError):
                    client.sendall(GREETING + answer)
                    while client.recv(65536):
                        pass

            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            assert_in("has said nothing for 0.2 s", scene.flamectl("--socket", path, "--timeout", "200ms", command, status=3).stderr)
            thread.join()
        os.unlink(path)


@test
def another_version_of_the_protocol_is_named(scene: Scene):
    error = ask(scene, GREETING.replace(b'"protocol":1', b'"protocol":2'), b"", "list", status=3)
    assert_in("version 2", error)


@test
def being_turned_away_is_told(scene: Scene):
    refusal = b'{"id":null,"error":{"code":-32005,"name":"busy","message":"too many \\u001b[31mconnections"}}\n'
    assert_in("too many ?[31mconnections", ask(scene, refusal, b"", "list", status=3))


@test
def an_answer_that_makes_no_sense_is_exit_status_1(scene: Scene):
    for answer in (b"x", b"{}\n", b'{"id":1}\n', b"not json\n", b'{"id":1,"error":{}}\n', b'{"id":1,"error":5}\n', b'{"id":1,"chunk":5}\n',
                   b'{"id":1,"stream":{"type":"x"}}\n', b'{"id":1,"stream":{"type":"x"}}\n{"id":1,"end":true,"bytes":0}\n'):
        ask(scene, GREETING, answer, "list", status=1)


@test
def a_stream_that_breaks_off_is_exit_status_1(scene: Scene):
    start = b'{"id":1,"stream":{"type":"application/json"}}\n'
    for rest in (b"", b'{"id":1,"chunk":100}\nhalf', b'{"id":1,"chunk":-1}\n', b'{"id":1,"chunk":99999999999}\n', b'{"id":1,"chunk":2}\n{}',
                 b'{"id":1,"chunk":2}\n{}{"id":1,"end":true,"bytes":3}\n', b'{"id":1,"chunk":2}\n{}{"id":1,"end":true,"bytes":2}\n',
                 b'{"id":1,"chunk":2}\n{}{"id":1,"error":{"code":-32000,"name":"failed","message":"broke off"}}\n'):
        for command in ("dump", "svg", "top"):
            ask(scene, GREETING, start + rest, command, status=1)


@test
def results_with_strange_members_are_shown_without_a_crash(scene: Scene):
    for result in (b"{}", b"[]", b"5", b'{"targets":[{}]}', b'{"targets":[5,null,{"name":5,"events":7,"target":[]}]}',
                   b'{"targets":[{"name":"\\u001b[2J","target":"\\u009b31m","events":["\\u0007"]}]}',
                   b'{"samples":{"lost":{"x":"y"}},"counters":[],"problems":{"a":1},"oldest":"x"}'):
        for command in ("list", "status", "stop"):
            server = Server(scene, GREETING, b'{"id":1,"result":' + result + b"}\n")
            done = scene.flamectl("--socket", server.path, command, status=0)
            assert "\x1b" not in done.stdout and "\x9b" not in done.stdout and "\x07" not in done.stdout, done.stdout


@test
def lines_of_other_requests_are_passed_over(scene: Scene):
    answer = b'{"id":77,"result":{}}\n{"id":"s","event":{}}\n{"id":1,"result":{"targets":[]}}\n'
    server = Server(scene, GREETING, answer)
    assert_equal(scene.flamectl("--socket", server.path, "--json", "list").stdout, '{"targets": []}\n')


main()
