/* BBC micro:bit version 1 (nRF51822, Cortex-M0 at 16 MHz): UART0 on the USB chip's pins, TIMER0 as clock, TIMER1 as tick.
 * Register names and offsets as in the nRF51 reference manual. */
#include "board.h"
#include "ring.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define UART(offset) REGISTER(0x40002000u + (offset))
#define TIMER0(offset) REGISTER(0x40008000u + (offset))
#define TIMER1(offset) REGISTER(0x40009000u + (offset))
#define RNG(offset) REGISTER(0x4000d000u + (offset))
#define GPIO(offset) REGISTER(0x50000000u + (offset))
#define NVIC_ISER REGISTER(0xe000e100u)

enum { STARTRX = 0x000, STARTTX = 0x008, RXDRDY = 0x108, TXDRDY = 0x11c, UART_ERROR = 0x124, INTENSET = 0x304, INTENCLR = 0x308 };
enum { ERRORSRC = 0x480, ENABLE = 0x500, PSELTXD = 0x50c, PSELRXD = 0x514, RXD = 0x518, TXD = 0x51c, BAUDRATE = 0x524 };
enum { START = 0x000, CAPTURE0 = 0x040, COMPARE0 = 0x140, SHORTS = 0x200, BITMODE = 0x508, PRESCALER = 0x510, CC0 = 0x540 };
enum { VALRDY = 0x100, VALUE = 0x508 };
enum { DIRSET = 0x518, OUTSET = 0x508 };
enum { IRQ_UART = 2, IRQ_TIMER1 = 9 };
enum { INT_RX = 1 << 2, INT_TX = 1 << 7, INT_ERROR = 1 << 9 };
enum { PIN_TX = 24, PIN_RX = 25 };

void irq_2(void);
void irq_9(void);

const char board_name[] = "microbit";
const uint32_t board_rates[] = {115200, 230400, 460800, 1000000, 0};
volatile uint32_t board_lost;

static ring_t received, to_send;
static volatile uint32_t sending; /* a byte is on the wire, TXDRDY will come */

void board_init(void)
{
    TIMER0(BITMODE) = 3; /* 32 bits */
    TIMER0(PRESCALER) = 4; /* of 16 MHz: 1 MHz */
    TIMER0(START) = 1;

    TIMER1(BITMODE) = 0; /* 16 bits */
    TIMER1(PRESCALER) = 4;
    TIMER1(CC0) = 1000;
    TIMER1(SHORTS) = 1; /* compare clears */
    TIMER1(INTENSET) = 1u << 16;
    TIMER1(START) = 1;

    GPIO(OUTSET) = 1u << PIN_TX;
    GPIO(DIRSET) = 1u << PIN_TX;
    UART(PSELTXD) = PIN_TX;
    UART(PSELRXD) = PIN_RX;
    board_set_rate(board_rates[0]);
    UART(ENABLE) = 4;
    UART(INTENSET) = INT_RX | INT_TX | INT_ERROR;
    UART(STARTTX) = 1;
    UART(STARTRX) = 1;
    NVIC_ISER = 1u << IRQ_UART | 1u << IRQ_TIMER1;
}

uint64_t board_now_us(void)
{
    static uint32_t last;
    static uint64_t us;
    TIMER0(CAPTURE0) = 1;
    uint32_t value = TIMER0(CC0);
    us += value - last;
    last = value;
    return us;
}

/* There to end WFI. */
void irq_9(void) { TIMER1(COMPARE0) = 0; }

/* --- the UART --- */

static void take_bytes(void)
{
    while (UART(RXDRDY)) {
        if (ring_is_full(&received)) {
            UART(INTENCLR) = INT_RX; /* the UART keeps its bytes */
            return;
        }
        UART(RXDRDY) = 0; /* before RXD is read: the next byte of the FIFO raises it again */
        ring_put(&received, (uint8_t)UART(RXD));
    }
}

static void send_byte(void)
{
    if (!sending && ring_count(&to_send)) {
        sending = 1;
        UART(TXD) = ring_get(&to_send);
    }
}

void irq_2(void)
{
    take_bytes();
    if (UART(TXDRDY)) {
        UART(TXDRDY) = 0;
        sending = 0;
        send_byte();
    }
    if (UART(UART_ERROR)) {
        UART(UART_ERROR) = 0;
        UART(ERRORSRC) = UART(ERRORSRC); /* what is set is cleared */
        board_lost++;
    }
}

size_t board_receive(uint8_t *data, size_t n)
{
    n = ring_read(&received, data, n);
    if (n)
        UART(INTENSET) = INT_RX;
    return n;
}

int board_has_received(void) { return ring_count(&received) != 0; }

size_t board_send(const uint8_t *data, size_t n)
{
    n = ring_write(&to_send, data, n);
    UART(INTENCLR) = INT_TX; /* the ring has one reader at a time */
    __asm volatile("dsb\n isb" ::: "memory");
    send_byte(); /* the first: no TXDRDY comes for it */
    UART(INTENSET) = INT_TX;
    return n;
}

int board_tx_idle(void) { return !sending && !ring_count(&to_send); }

void board_set_rate(uint32_t baud)
{
    static const uint32_t settings[] = {0x01d7e000, 0x03afb000, 0x075f7000, 0x10000000}; /* of board_rates */
    for (unsigned i = 0; board_rates[i]; i++)
        if (board_rates[i] == baud)
            UART(BAUDRATE) = settings[i];
}

uint32_t board_boot_id(void)
{
    uint32_t id = 0;
    RNG(START) = 1;
    for (unsigned i = 0; i < 4; i++) {
        while (!RNG(VALRDY)) {
        }
        RNG(VALRDY) = 0;
        id = id << 8 | RNG(VALUE);
    }
    return id;
}
