#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""flamectl --host: ssh is asked to forward the socket; here another program forwards it in ssh's place."""
import glob
import json
import os
import signal
import subprocess

from harness import Scene, assert_equal, assert_in, main, test, wait_until

# Takes what flamectl gives to ssh, notes it, and forwards connections as ssh -L does.
SSH = """#!/usr/bin/env python3
import json, os, socket, sys, threading
arguments = sys.argv[1:]
with open(os.environ["SSH_LOG"], "a") as log:
    print(json.dumps([os.getpid()] + arguments), file=log)
host = arguments[-1]
if host.startswith("down"):
    sys.exit("ssh: connect to host down: no route")
local, remote = arguments[arguments.index("-L") + 1].split(":")
def copy(source, target):
    while data := source.recv(65536):
        target.sendall(data)
    target.shutdown(socket.SHUT_WR)
listener = socket.socket(socket.AF_UNIX)
listener.bind(local)
listener.listen()
while True:
    here, _ = listener.accept()
    there = socket.socket(socket.AF_UNIX)
    there.connect(remote)
    threading.Thread(target=copy, args=(here, there), daemon=True).start()
    threading.Thread(target=copy, args=(there, here), daemon=True).start()
"""


class Network:
    """An ssh first in the PATH, and what it was called with."""

    def __init__(self, scene):
        os.mkdir(scene.path("bin"))
        with open(scene.path("bin/ssh"), "w", encoding="utf-8") as file:
            file.write(SSH)
        os.chmod(scene.path("bin/ssh"), 0o755)
        os.mkdir(scene.path("run"), 0o700)
        self.scene = scene
        self.env = dict(os.environ, PATH=scene.path("bin") + ":" + os.environ["PATH"], SSH_LOG=scene.path("ssh.log"),
                        XDG_RUNTIME_DIR=scene.path("run"))

    def flamectl(self, *arguments, **options):
        return self.scene.flamectl(*arguments, env=self.env, **options)

    def calls(self):
        try:
            with open(self.scene.path("ssh.log"), encoding="utf-8") as file:
                return [json.loads(line) for line in file]
        except FileNotFoundError:
            return []

    def stands(self):
        return glob.glob(self.scene.path("run/*/flamed.sock"))

    def assert_nothing_left(self):
        assert_equal(os.listdir(self.scene.path("run")), [], "the folder of the socket")
        for pid, *_ in self.calls():
            wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "ssh has ended")


@test
def a_host_is_asked_through_ssh(scene: Scene):
    scene.flamed()
    network = Network(scene)
    assert_in("version", network.flamectl("--host", "root@db1", "status").stdout)
    (_, *call), = network.calls()
    assert_equal(call[-2:], ["--", "root@db1"])
    assert_in("ExitOnForwardFailure=yes", call)
    assert call[call.index("-L") + 1].endswith(":" + scene.daemons[-1].socket_path), call
    network.assert_nothing_left()


@test
def several_hosts_are_asked_in_turn_under_headings(scene: Scene):
    scene.flamed()
    network = Network(scene)
    text = network.flamectl("--host", "db1", "--host", "db2", "list").stdout
    assert_equal([line for line in text.splitlines() if line.startswith("==>")], ["==> db1 <==", "==> db2 <=="])
    lines = network.flamectl("--json", "--host", "db1", "--host", "db2", "list").stdout.splitlines()
    assert_equal([json.loads(line) for line in lines], [{"host": "db1", "result": {"targets": []}}, {"host": "db2", "result": {"targets": []}}])
    network.assert_nothing_left()


@test
def a_host_that_is_down_is_exit_status_3_and_the_others_are_asked(scene: Scene):
    scene.flamed()
    network = Network(scene)
    done = network.flamectl("--host", "down1", "--host", "db2", "list", status=3)
    assert_in("down1", done.stderr)
    assert_in("==> db2 <==", done.stdout)
    network.assert_nothing_left()


@test
def a_host_without_flamed_is_exit_status_3(scene: Scene):
    network = Network(scene)
    error = network.flamectl("--socket", scene.path("nobody.sock"), "--host", "db1", "list", status=3).stderr
    assert_in("db1", error)
    network.assert_nothing_left()


@test
def what_is_no_host_never_reaches_ssh(scene: Scene):
    network = Network(scene)
    for host in ("-oProxyCommand=touch owned", ""):
        network.flamectl("--host", host, "list", status=2)
    assert not os.path.exists(scene.path("ssh.log"))


@test
def folded_text_of_several_hosts_can_be_merged(scene: Scene):
    scene.flamed()
    network = Network(scene)
    program = scene.workload("sample_program")
    scene.attach(program)
    scene.wait_samples(program.pid, 50)
    lines = network.flamectl("--host", "db1", "--host", "db2", "dump").stdout.splitlines()
    assert_equal({line.split(";")[0] for line in lines}, {"db1", "db2"})
    network.flamectl("--host", "db1", "--host", "db2", "dump", "-o", "one.folded", status=2)
    network.flamectl("--host", "db1", "record", "--", "true", status=2)


@test
def an_interrupt_leaves_no_ssh_behind(scene: Scene):
    scene.flamed()
    network = Network(scene)
    where = ["--socket", scene.daemons[-1].socket_path]
    for wanted in ("ssh is called", "the tunnel stands"):
        process = scene.start(os.environ["FLAMECTL"], *where, "--host", "db1", "top", "--live", env=network.env, start_new_session=True,
                              stderr=subprocess.DEVNULL)
        wait_until(lambda: network.stands() if wanted == "the tunnel stands" else network.calls(), wanted)
        os.killpg(process.pid, signal.SIGINT)
        process.wait(10)
        network.assert_nothing_left()


main()
