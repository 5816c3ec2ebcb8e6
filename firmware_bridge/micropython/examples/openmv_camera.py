"""An OpenMV camera as a VLP device: JPEG images out, parameters and detections in. Save it as main.py on the camera.

For firmware with the `csi` module (4.7 and later), over UART 3 (P4 TX, P5 RX) or the USB port. The names of
OpenMV's API are those of its documentation; this file has not been run on a camera.
"""

import binascii
import math
import struct
import time

import csi
import machine
import pyb
from vlp_camera import EXPOSURE_US, FLIP, GAIN_Q8, QUALITY, Camera, Parameter

OVER_USB = False
BAUD = 115200
FASTER = (460800, 921600, 3000000)


class UsbPort:
    """The USB port: REPL and IDE are gone while this runs."""

    def __init__(self):
        self._port = pyb.USB_VCP()
        self._port.setinterrupt(-1)  # 3 is a byte like any other
        self.readinto = self._port.readinto
        self.write = self._port.write


class UartPort:
    """UART 3."""

    def __init__(self):
        self._uart = machine.UART(3, BAUD, timeout=0, timeout_char=2, rxbuf=4096)
        self.readinto = self._uart.readinto
        self.write = self._uart.write

    def set_baud(self, baud):
        """Change the rate, after everything has left."""
        while not self._uart.txdone():
            time.sleep_us(100)
        self._uart.init(baud, timeout=0, timeout_char=2, rxbuf=4096)


class Sensor:
    """The image sensor, and the parameters that the box may set."""

    def __init__(self):
        self._csi = csi.CSI()
        self._csi.reset()
        self._csi.pixformat(csi.RGB565)
        self._csi.framesize(csi.QVGA)
        self._csi.snapshot(time=2000)  # exposure and white balance settle
        self._quality = 80
        self._flip = 0

    def table(self):
        """What a box may read and set."""
        return {
            EXPOSURE_US: Parameter(self._csi.exposure_us, self._set_exposure, 50, 500000),
            GAIN_Q8: Parameter(self._gain, self._set_gain, 256, 65535),
            QUALITY: Parameter(lambda: self._quality, self._set_quality, 1, 100),
            FLIP: Parameter(lambda: self._flip, self._set_flip, 0, 3),
        }

    def capture(self):
        """A JPEG in the frame buffer, and how long it was exposed."""
        return self._csi.snapshot().compress(quality=self._quality).bytearray(), self._csi.exposure_us()

    def _set_exposure(self, us):
        self._csi.auto_exposure(False, exposure_us=us)

    def _gain(self):
        return round(256 * 10 ** (self._csi.gain_db() / 20))

    def _set_gain(self, q8):
        self._csi.auto_gain(False, gain_db=20 * math.log10(q8 / 256))

    def _set_quality(self, quality):
        self._quality = quality

    def _set_flip(self, flip):
        self._flip = flip
        self._csi.hmirror(bool(flip & 1))
        self._csi.vflip(bool(flip & 2))


def show(obj, t_us, findings):
    """Light up while something is found."""
    led = machine.LED("LED_BLUE")
    (led.on if findings else led.off)()


def main():
    """Serve for ever."""
    sensor = Sensor()
    port = UsbPort() if OVER_USB else UartPort()
    serial = binascii.hexlify(machine.unique_id()).decode()
    camera = Camera(
        port,
        {0: "OpenMV", 1: "camera", 2: serial},
        (320, 240),
        parameters=sensor.table(),
        on_results=show,
        maxpl=4096 if OVER_USB else 1472,
        baud=0 if OVER_USB else BAUD,
        bauds=() if OVER_USB else FASTER,
        random=random_bytes,
    )
    while True:
        camera.poll()
        if camera.wants_image():
            t_us = camera.link.time_us()
            jpeg, exposure_us = sensor.capture()
            camera.send(jpeg, t_us, exposure_us=exposure_us)


def random_bytes(n):
    """Out of the hardware's generator."""
    return b"".join(struct.pack("<I", pyb.rng()) for _ in range((n + 3) // 4))[:n]


main()
