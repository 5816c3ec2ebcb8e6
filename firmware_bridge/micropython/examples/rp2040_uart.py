"""A Raspberry Pi Pico as a VLP device without a camera: a test pattern, a trigger input and an output pin.

UART 0 on GPIO 0 (TX) and 1 (RX); a falling edge on GPIO 2 is a trigger; GPIO 3 is an output; GPIO 25 the LED. The
names of MicroPython's API are those of its documentation; this file has not been run on a board.
"""

import binascii
import time

import machine
from vlp_camera import BUTTON, GPIO, LED, Camera, Parameter

BAUD = 115200
FASTER = (460800, 921600)
WIDTH, HEIGHT = 160, 120
INPUT_PIN, OUTPUT_PIN, LED_PIN = 2, 3, 25
DEBOUNCE_US = 5000


class UartPort:
    """UART 0."""

    def __init__(self):
        self._uart = machine.UART(
            0, BAUD, tx=machine.Pin(0), rx=machine.Pin(1), timeout=0, txbuf=1024, rxbuf=4096
        )
        self.readinto = self._uart.readinto
        self.write = self._uart.write

    def set_baud(self, baud):
        """Change the rate, after everything has left. Not flush(): in 1.22 it waits for most of a second."""
        while not self._uart.txdone():
            time.sleep_us(100)
        self._uart.init(baudrate=baud)


class TriggerInput:
    """Falling edges of a pin: the interrupt notes count and time, the main loop tells."""

    def __init__(self, number):
        self.count = 0
        self.at = 0
        pin = machine.Pin(number, machine.Pin.IN, machine.Pin.PULL_UP)
        pin.irq(self._edge, machine.Pin.IRQ_FALLING)

    def _edge(self, pin):
        now = time.ticks_us()
        if not self.count or time.ticks_diff(now, self.at) > DEBOUNCE_US:
            self.at = now
            self.count += 1


def draw(image, shift):
    """A grey ramp that moves."""
    row = bytes((x + shift) & 255 for x in range(WIDTH))
    for y in range(HEIGHT):
        image[y * WIDTH : (y + 1) * WIDTH] = row


def main():
    """Serve for ever."""
    led = machine.PWM(machine.Pin(LED_PIN), freq=1000, duty_u16=0)
    output = machine.Pin(OUTPUT_PIN, machine.Pin.OUT, value=0)
    trigger = TriggerInput(INPUT_PIN)

    def set_gpio(pins):
        if list(pins) != [OUTPUT_PIN] or pins[OUTPUT_PIN] not in (0, 1):
            raise ValueError
        output.value(pins[OUTPUT_PIN])

    parameters = {
        LED: Parameter(lambda: led.duty_u16() // 257, lambda level: led.duty_u16(level * 257), 0, 255),
        GPIO: Parameter(lambda: {OUTPUT_PIN: output.value()}, set_gpio),
    }
    serial = binascii.hexlify(machine.unique_id()).decode()
    camera = Camera(
        UartPort(),
        {0: "Raspberry Pi", 1: "Pico", 2: serial},
        (WIDTH, HEIGHT),
        ("GREY",),
        parameters,
        on_reboot=lambda into_loader: machine.bootloader() if into_loader else machine.reset(),
        baud=BAUD,
        bauds=FASTER,
    )
    image = bytearray(WIDTH * HEIGHT)
    told = shift = 0
    while True:
        camera.poll()
        if trigger.count != told and camera.link.is_up():
            age = time.ticks_diff(time.ticks_us(), trigger.at)
            at = camera.link.time_us() - age
            if camera.trigger(INPUT_PIN, trigger.count, at):
                told = trigger.count
                camera.event(BUTTON, {0: INPUT_PIN}, at)
        if camera.wants_image():
            t_us = camera.link.time_us()
            draw(image, shift)
            shift += 1
            camera.send(image, t_us, b"GREY", stride=WIDTH)


main()
