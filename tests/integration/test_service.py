#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""flamed as a service: the units are sound, systemd's socket is taken, and readiness is told."""
import os
import pwd
import re
import socket

from harness import FLAMED, Scene, assert_equal, assert_in, main, need_root, need_tool, proc_status, test, wait_until

UNITS = os.environ.get("FLAME_UNITS", "")
SOURCES = os.environ.get("FLAME_SYSTEMD", "")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


@test
def systemd_accepts_the_units(scene: Scene):
    analyze = need_tool("systemd-analyze")
    service = read(os.path.join(UNITS, "flamed.service"))
    assert re.search(r"^ExecStart=/\S+/flamed$", service, re.MULTILINE), service
    service = re.sub(r"^ExecStart=.*$", f"ExecStart={FLAMED}", service, flags=re.MULTILINE)
    with open(scene.path("flamed.service"), "w", encoding="utf-8") as file:
        file.write(service)
    with open(scene.path("flamed.socket"), "w", encoding="utf-8") as file:
        file.write(read(os.path.join(SOURCES, "flamed.socket")))
    environment = dict(os.environ, SYSTEMD_UNIT_PATH=scene.folder + ":")
    done = scene.run(analyze, "verify", "--man=no", "flamed.service", "flamed.socket", env=environment)
    assert_equal((done.returncode, done.stderr), (0, ""), "systemd-analyze verify")


@test
def systemd_makes_the_user_and_the_group(scene: Scene):
    need_root()
    sysusers = need_tool("systemd-sysusers")
    os.mkdir(scene.path("etc"))
    done = scene.run(sysusers, f"--root={scene.folder}", os.path.join(SOURCES, "flamed.sysusers"))
    assert_equal(done.returncode, 0, done.stderr)
    assert_in("\nflamed:", "\n" + read(scene.path("etc/passwd")))
    assert_in("\nflame:", "\n" + read(scene.path("etc/group")))


@test
def a_socket_that_systemd_passes_is_served(scene: Scene):
    need_root()
    activate = need_tool("systemd-socket-activate")
    path = scene.path("activated.sock")
    daemon = scene.flamed(command=[activate, "--listen", path, FLAMED], socket_path=path)
    assert_equal(daemon.connect().greeting["protocol"], 1)
    assert_equal(scene.flamectl_json("status")["pid"] in daemon.pids(), True, "status names a process of this flamed")


@test
def readiness_is_told_once_the_socket_accepts(scene: Scene):
    need_root()
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(scene.path("notify"))
    os.chmod(scene.path("notify"), 0o777)
    notify.settimeout(20)
    daemon = scene.flamed(env={"NOTIFY_SOCKET": scene.path("notify")})
    messages = []
    wait_until(lambda: messages.append(notify.recv(4096).decode()) or "READY=1" in "\n".join(messages).split("\n"), "READY=1")
    assert_equal(daemon.process.poll(), None)
    notify.close()


@test
def the_core_runs_as_an_unprivileged_user(scene: Scene):
    daemon = scene.flamed()
    names = {account.pw_name for account in pwd.getpwall()}
    wanted = pwd.getpwnam("flamed" if "flamed" in names else "nobody").pw_uid
    assert_equal(set(proc_status(daemon.core())["Uid"].split()), {str(wanted)}, "user ids of the core")


main()
