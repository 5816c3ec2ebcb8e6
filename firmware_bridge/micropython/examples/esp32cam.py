"""An ESP32-CAM (AI-Thinker) as a VLP device, over UART 2 on GPIO 14 (TX) and 15 (RX), free without an SD card.

For MicroPython with the camera module of github.com/cnadler86/micropython-camera-API, built for the board. The names
of its API are those of its documentation; this file has not been run on a board.
"""

import binascii
import time

import machine
from camera import Camera as Sensor
from camera import FrameSize, GrabMode, PixelFormat
from vlp_camera import FLIP, GPIO, LED, QUALITY, Camera, Parameter

BAUD = 115200
FASTER = (460800, 921600)
SIZE = (640, 480)
FLASH_LED = 4
OUTPUT = 13


class UartPort:
    """UART 2; what is written goes out of the driver's buffer by itself."""

    def __init__(self):
        self._uart = machine.UART(2, BAUD, tx=14, rx=15, timeout=0, txbuf=2048, rxbuf=4096)
        self.readinto = self._uart.readinto
        self.write = self._uart.write

    def set_baud(self, baud):
        """Change the rate, after everything has left."""
        while not self._uart.txdone():
            time.sleep_us(100)
        self._uart.init(baudrate=baud)


class Board:
    """The sensor, the flash LED and an output pin."""

    def __init__(self):
        self.sensor = Sensor(
            pixel_format=PixelFormat.JPEG,
            frame_size=FrameSize.VGA,
            jpeg_quality=80,
            fb_count=2,
            grab_mode=GrabMode.LATEST,
        )
        self._quality, self._flip, self._led = 80, 0, 0
        self._flash = machine.PWM(machine.Pin(FLASH_LED), freq=1000, duty_u16=0)
        self._output = machine.Pin(OUTPUT, machine.Pin.OUT, value=0)

    def table(self):
        """What a box may read and set."""
        return {
            QUALITY: Parameter(lambda: self._quality, self._set_quality, 1, 100),
            FLIP: Parameter(lambda: self._flip, self._set_flip, 0, 3),
            LED: Parameter(lambda: self._led, self._set_led, 0, 255),
            GPIO: Parameter(lambda: {OUTPUT: self._output.value()}, self._set_gpio),
        }

    def _set_quality(self, quality):
        self.sensor.set_quality(quality)
        self._quality = quality

    def _set_flip(self, flip):
        self.sensor.set_hmirror(bool(flip & 1))
        self.sensor.set_vflip(bool(flip & 2))
        self._flip = flip

    def _set_led(self, level):
        self._flash.duty_u16(level * 257)
        self._led = level

    def _set_gpio(self, pins):
        if list(pins) != [OUTPUT] or pins[OUTPUT] not in (0, 1):
            raise ValueError
        self._output.value(pins[OUTPUT])


def main():
    """Serve for ever."""
    board = Board()
    serial = binascii.hexlify(machine.unique_id()).decode()
    camera = Camera(
        UartPort(),
        {0: "AI-Thinker", 1: "ESP32-CAM", 2: serial},
        SIZE,
        parameters=board.table(),
        on_reboot=lambda into_loader: machine.reset(),
        baud=BAUD,
        bauds=FASTER,
    )
    while True:
        camera.poll()
        if camera.wants_image():
            t_us = camera.link.time_us()
            jpeg = board.sensor.capture()
            if jpeg:
                camera.send(jpeg, t_us)


main()
