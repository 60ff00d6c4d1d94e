# SPDX-License-Identifier: Apache-2.0
"""Runs the real flamed on a private socket, the real flamectl against it, and speaks TAP.

A test is a function marked @test that takes a Scene: what it starts through the scene is ended when it returns, by pid
and in reverse order, and nothing of flamed may be left then. Tests wait for conditions with wait_until, never for time.
FLAME_MUST_RUN=1 turns a skip for a missing right or tool into a failure.
"""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

FLAMED = os.environ.get("FLAMED", "")
FLAMECTL = os.environ.get("FLAMECTL", "")
WORKLOADS = os.environ.get("FLAME_WORKLOADS", "")
PATIENCE = 60  # seconds that something may take on a busy machine before it counts as never
STOP_LIMIT = 5.0  # seconds after SIGTERM: it takes one at the most, but other programs may keep the CPUs busy

TESTS = []


class Skip(Exception):
    """The test cannot run here; the text says which right or tool is missing."""


class ProtocolError(Exception):
    """An error that flamed answered."""

    def __init__(self, error):
        super().__init__(f"{error['name']} ({error['code']}): {error['message']}")
        self.code = error["code"]
        self.name = error["name"]
        self.message = error["message"]


def test(function):
    TESTS.append(function)
    return function


def unshare_mounts():
    """The start of a command that is to run in a mount namespace of its own."""
    unshare = need_tool("unshare")
    # Under a root that is no mount point (chroot) unshare cannot make the mounts private.
    private = subprocess.run([unshare, "--mount", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0
    return [unshare, "--mount", *([] if private else ["--propagation", "unchanged"])]


def need_root():
    if os.geteuid() != 0:
        raise Skip("needs root: flamed loads kernel programs")


def need_tool(name):
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not path:
        raise Skip(f"needs {name}")
    return path


def wait_until(condition, what, timeout=PATIENCE):
    """Return the first true value of condition(); fail with what was waited for."""
    end = time.monotonic() + timeout
    pause = 0.005
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout} s in vain for: {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def assert_equal(found, wanted, what=""):
    assert found == wanted, f"{what}: found {found!r}, wanted {wanted!r}"


def assert_in(part, whole, what=""):
    assert part in whole, f"{what}: {part!r} is not in {whole!r}"


def workload(name):
    return os.path.join(WORKLOADS, name)


# ---- processes as /proc shows them -------------------------------------------------------------------------------------


def proc_status(pid):
    """Fields of /proc/PID/status, or None when the process is gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    except (FileNotFoundError, ProcessLookupError):
        return None


def is_alive(pid):
    status = proc_status(pid)
    return status is not None and not status["State"].startswith(("Z", "X"))


def children_of(pid):
    """Living descendants of a process, the process itself first."""
    parents = {}
    for name in os.listdir("/proc"):
        status = proc_status(name) if name.isdigit() else None
        if status and not status["State"].startswith(("Z", "X")):
            parents[int(name)] = int(status["PPid"])
    found = [pid]
    for known in found:
        found += sorted(child for child, parent in parents.items() if parent == known)
    return found


def cpu_seconds(pid):
    """CPU time of a process so far, user and system."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pss_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))


def descriptors(pid):
    """What the open descriptors of a process are: "socket:[1]", "/dev/null", ..."""
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/{pid}/fd/{name}"))
    return found


def descriptor_count(pid):
    return len(descriptors(pid))


def socket_count(pid):
    return sum(what.startswith("socket:") for what in descriptors(pid))


# ---- the protocol, spoken by hand --------------------------------------------------------------------------------------


class Connection:
    """A client that sends exactly what it is told."""

    def __init__(self, path, timeout=PATIENCE):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")
        self.greeting = self.read()["flamed"]
        self.last_id = 0

    def send_bytes(self, data):
        self.socket.sendall(data)

    def send(self, message):
        self.send_bytes(json.dumps(message).encode() + b"\n")

    def read(self):
        """The next line, decoded; None when the other side closed."""
        line = self.file.readline()
        return json.loads(line) if line else None

    def request(self, method, **params):
        """The result of one request; a streamed one comes as bytes. Raises ProtocolError."""
        self.last_id += 1
        self.send({"id": self.last_id, "method": method, "params": params})
        return self.answer(self.last_id)

    def answer(self, wanted):
        data = b""
        while True:
            message = self.read()
            assert message is not None, "flamed closed the connection"
            if message.get("id") != wanted:
                continue
            if "error" in message:
                raise ProtocolError(message["error"])
            if "result" in message:
                return message["result"]
            if "chunk" in message:
                data += self.file.read(message["chunk"])
            if message.get("end"):
                assert_equal(len(data), message["bytes"], "bytes of the stream")
                return data

    def is_closed(self):
        """Whether flamed ends the connection (waits for it)."""
        try:
            while self.file.read1(65536):
                pass
            return True
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def close(self):
        self.file.close()
        self.socket.close()


# ---- what a test starts ------------------------------------------------------------------------------------------------


def end_process(process):
    if process.poll() is None:
        process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            stream.close()


class Daemon:
    """A flamed on a socket of its own."""

    def __init__(self, folder, *arguments, command=None, env=None, socket_path=None):
        self.socket_path = socket_path or os.path.join(folder, "flamed.sock")
        self.log_path = os.path.join(folder, f"flamed-{time.monotonic_ns()}.log")
        command = command or [FLAMED, "--socket", self.socket_path]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(command + list(arguments), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=folder, env=dict(os.environ, **(env or {})))
        self.pid = self.process.pid
        self.programs = set()

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_ready(self):
        def accepts():
            assert self.process.poll() is None, f"flamed ended with {self.process.returncode}:\n{self.log()}"
            try:
                Connection(self.socket_path).close()
                return True
            except (FileNotFoundError, ConnectionRefusedError):
                return False
        wait_until(accepts, "flamed accepts connections")
        self.programs = self.kernel_programs()
        return self

    def pids(self):
        """Every process of this flamed."""
        return children_of(self.pid)

    def find(self, name):
        """The pid of the process of this flamed that has that name, or None."""
        return next((pid for pid in self.pids() if (proc_status(pid) or {}).get("Name") == name), None)

    def core(self):
        return wait_until(lambda: self.find("flamed-core"), "the core")

    def connect(self, **options):
        return Connection(self.socket_path, **options)

    def request(self, method, **params):
        with contextlib.closing(self.connect()) as connection:
            return connection.request(method, **params)

    def kernel_programs(self):
        """Numbers of the BPF programs that processes of this flamed hold."""
        bpftool = shutil.which("bpftool", path=os.environ["PATH"] + ":/usr/sbin")
        if not bpftool:
            return set()
        pids = set(self.pids())
        listed = json.loads(subprocess.run([bpftool, "-j", "prog", "list"], capture_output=True, check=False).stdout or "[]")
        return {program["id"] for program in listed if pids & {owner["pid"] for owner in program.get("pids", [])}}

    def stop(self):
        """Ask it to end as systemd does; nothing may be left of it. Returns the seconds that it took."""
        if self.process.poll() is not None:
            return 0.0
        pids = self.pids()
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired as error:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()
            raise AssertionError(f"flamed did not end on SIGTERM:\n{self.log()}") from error
        took = time.monotonic() - began
        assert status == 0, f"flamed ended with {status}:\n{self.log()}"
        wait_until(lambda: not any(is_alive(pid) for pid in pids), "every process of flamed is gone")
        wait_until(lambda: not self.programs & all_kernel_programs(), "the kernel programs are unloaded")
        return took


def all_kernel_programs():
    bpftool = shutil.which("bpftool", path=os.environ["PATH"] + ":/usr/sbin")
    if not bpftool:
        return set()
    done = subprocess.run([bpftool, "-j", "prog", "list"], capture_output=True, check=False)
    return {program["id"] for program in json.loads(done.stdout or "[]")}


class Scene:
    """What one test has at hand; a context manager that clears up."""

    def __init__(self):
        self.stack = contextlib.ExitStack()
        self.daemons = []

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="flame-test-")
        os.chmod(self.folder, 0o755)
        self.stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        return self

    def __exit__(self, *_):
        self.stack.close()

    def path(self, name):
        return os.path.join(self.folder, name)

    def flamed(self, *arguments, **options):
        """Start flamed and wait until it accepts."""
        need_root()
        daemon = Daemon(self.folder, *arguments, **options)
        self.daemons.append(daemon)
        self.stack.callback(daemon.stop)
        return daemon.wait_ready()

    def start(self, *command, **options):
        """Start a program that runs until the end of the test."""
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.DEVNULL)
        process = subprocess.Popen([str(word) for word in command], **options)
        self.stack.callback(end_process, process)
        return process

    def workload(self, name, *arguments, **options):
        return self.start(workload(name), *arguments, **options)

    def run(self, *command, timeout=120, **options):
        return subprocess.run([str(word) for word in command], capture_output=True, text=True, errors="replace",
                              stdin=subprocess.DEVNULL, timeout=timeout, cwd=self.folder, check=False, **options)

    def flamectl(self, *arguments, status=0, **options):
        """Run flamectl against the newest daemon; the exit status has to be as given (None: any)."""
        where = ["--socket", self.daemons[-1].socket_path] if self.daemons else []
        done = self.run(FLAMECTL, *where, *arguments, **options)
        assert status is None or done.returncode == status, \
            f"flamectl {' '.join(map(str, arguments))} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done

    def flamectl_json(self, *arguments, **options):
        return json.loads(self.flamectl("--json", *arguments, **options).stdout)

    # What is asked so often that it has a name.

    def attach(self, process, *options):
        """Attach with a budget that leaves the rate as the test asks for it."""
        return self.flamectl("attach", process.pid, "--budget", "100", *options)

    def attach_all(self, *options):
        return self.flamectl("attach", "--all", "--budget", "100", *options)

    def samples(self):
        return self.daemons[-1].request("status")["samples"]

    def counters(self):
        return self.daemons[-1].request("status")["counters"]

    def target(self, pid):
        """The target of a pid as `list` shows it, or None."""
        return next((one for one in self.daemons[-1].request("list")["targets"] if one["pid"] == pid), None)

    def wait_samples(self, pid, count):
        """Wait until a target has that many samples."""
        return wait_until(lambda: ((self.target(pid) or {}).get("samples", 0) >= count), f"{count} samples of {pid}")

    def wait_buckets(self, more):
        """Wait until the history has begun that many more buckets (of a second, while something is recorded)."""
        def held():
            return self.daemons[-1].request("status")["buckets"]["held"]
        wanted = held() + more
        wait_until(lambda: held() >= wanted, f"{more} more buckets", timeout=PATIENCE + 2 * more)

    def folded(self, *select):
        """`dump` as a list of (frames, count)."""
        return parse_folded(self.flamectl("dump", *select).stdout)

    def profile(self, **params):
        """`dump` of the protocol, decoded."""
        return json.loads(self.daemons[-1].request("dump", **params))


def parse_folded(text):
    rows = []
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        rows.append((stack.split(";"), int(count)))
    return rows


def share_of(rows, name):
    """Share of the samples that have a frame of that name, in percent."""
    total = sum(count for _, count in rows)
    assert total > 0, "no sample at all"
    return 100 * sum(count for frames, count in rows if name in frames) / total


# ---- TAP ---------------------------------------------------------------------------------------------------------------


def title_of(function):
    return function.__name__.replace("_", " ")


def comment(text):
    for line in text.rstrip().splitlines():
        print(f"# {line}")


def run_one(number, function):
    title = title_of(function)
    try:
        with Scene() as scene:
            try:
                function(scene)
            except Exception:
                for daemon in scene.daemons:
                    comment("log of flamed: " + daemon.log()[-3000:])
                raise
    except Skip as skip:
        if os.environ.get("FLAME_MUST_RUN") == "1":
            print(f"not ok {number} - {title}")
            comment(f"must run, but {skip}")
            return False
        print(f"ok {number} - {title} # SKIP {skip}")
    except Exception:  # a failed test, of whatever kind, is a line of the report
        print(f"not ok {number} - {title}")
        comment(traceback.format_exc())
        return False
    else:
        print(f"ok {number} - {title}")
    return True


def main():
    """Run the tests of the file (those whose title holds a word of the command line, if there is any)."""
    words = sys.argv[1:]
    chosen = [function for function in TESTS if not words or any(word in title_of(function) for word in words)]
    print(f"1..{len(chosen)}")
    good = True
    for number, function in enumerate(chosen, 1):
        good = run_one(number, function) and good
        sys.stdout.flush()
    sys.exit(0 if good else 1)
