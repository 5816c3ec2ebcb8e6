"""A board in QEMU. Its UART is a TCP port; QEMU itself is asked over QMP, on its standard input and output."""

import json
import subprocess

HOST = "127.0.0.1"


class Machine:
    """A running machine; ``address`` is where its UART listens. Use as a context manager."""

    def __init__(self, name, program, port=0):
        self._command = [
            "qemu-system-arm",
            *("-M", name, "-kernel", str(program), "-nodefaults", "-display", "none", "-qmp", "stdio"),
            "-serial",
        ]
        self._start(port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def reset(self):
        """Press the reset button: the memory stays."""
        self._ask("system_reset")

    def kill(self):
        """SIGKILL; nothing of it is left."""
        self.process.kill()
        self.process.communicate()

    def start_again(self):
        """A new process on the same port, after :meth:`kill`."""
        self._start(self.address[1])

    def _start(self, port):
        serial = f"tcp:{HOST}:{port},server=on,wait=off,nodelay=on"
        self.process = subprocess.Popen(
            [*self._command, serial],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            self._ask("qmp_capabilities")
            places = {chardev["label"]: chardev["filename"] for chardev in self._ask("query-chardev")}
            self.address = (HOST, int(places["serial0"].split(",")[0].rsplit(":", 1)[1]))
        except BaseException:
            self.kill()
            raise

    def _ask(self, command):
        self.process.stdin.write(json.dumps({"execute": command}) + "\n")
        self.process.stdin.flush()
        said = []
        for line in self.process.stdout:
            said.append(line)
            if line.startswith("{"):  # what is not an answer is a greeting or an event
                answer = json.loads(line)
                assert "error" not in answer, line
                if "return" in answer:
                    return answer["return"]
        raise AssertionError(f"QEMU ended ({self.process.wait()}): {''.join(said)}")
