"""The board's own script: runs under MicroPython, in the WebAssembly of real_board.mjs."""

import binascii
import gc
import json

state = {"now": 0}


class Port:
    def __init__(self):
        self.incoming, self.outgoing, self.room = b"", bytearray(), 0

    def readinto(self, buffer):
        count = min(len(buffer), len(self.incoming))
        if not count:
            return None
        buffer[:count] = self.incoming[:count]
        self.incoming = self.incoming[count:]
        return count

    def write(self, data):
        count = min(len(data), self.room)
        self.outgoing.extend(memoryview(data)[:count])
        self.room -= count
        return count or None


def answer(line):
    request = json.loads(line)
    return json.dumps(OPERATIONS[request["op"]](request))


def run(request):
    exec(request["code"], globals())
    return {}


def collect(request):
    """Done when this has returned: the stack must be empty."""
    gc.collect()
    return {}


def heap(request):
    return {"bytes": gc.mem_alloc(), "version": list(__import__("sys").implementation.version[:2])}


def make(request):
    import vlp_camera

    options = request["options"]
    if options.get("key"):
        options["key"] = binascii.unhexlify(options["key"])
    values = {1: 8000}
    parameters = {
        1: vlp_camera.Parameter(lambda: values[1], lambda value: values.update({1: value}), 100, 50000)
    }
    port = state["port"] = Port()
    results = state["results"] = []
    state["camera"] = vlp_camera.Camera(
        port,
        {0: "Acme", 1: "Eye"},
        (320, 240),
        parameters=parameters,
        on_results=lambda obj, t_us, findings: results.append([obj, findings]),
        ticks=lambda: state["now"],
        random=lambda n: bytes(state["now"] >> (i % 24) & 255 for i in range(n)),
        **options,
    )
    state["buffer"], state["taken"] = bytearray(request["size"]), {}
    return {}


def step(request):
    state["now"] = request["now"]
    port, camera = state["port"], state["camera"]
    port.incoming += binascii.unhexlify(request["data"])
    port.room = request["room"]
    camera.poll()
    if camera.wants_image():
        buffer = state["buffer"]
        seed = camera.link.images.next_obj
        for i in range(len(buffer)):
            buffer[i] = (i * i + 7 * i * seed + seed) >> 3 & 255
        state["taken"][camera.send(buffer, camera.link.time_us())] = binascii.crc32(buffer)
    out, port.outgoing = bytes(port.outgoing), bytearray()
    return {"out": binascii.hexlify(out).decode(), "up": camera.link.is_up()}


def look(request):
    camera = state["camera"]
    taken = [[obj, state["taken"][obj]] for obj in state["taken"]]
    return {
        "taken": taken,
        "results": state["results"],
        "stats": list(camera.link.statistics().values()),
        "idle": camera.link.idle(),
    }


def vector(request):
    import vector_cases

    vector_cases.check(request["section"], request["case"])
    return {}


OPERATIONS = {
    "vector": vector,
    "run": run,
    "collect": collect,
    "heap": heap,
    "make": make,
    "step": step,
    "look": look,
}
