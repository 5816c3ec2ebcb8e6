/* ARM MPS2 with the AN385 image (Cortex-M3 at 25 MHz): CMSDK UART 0 and timer 0. Register names as in the CMSDK manual. */
#include "board.h"
#include "ring.h"

typedef struct {
    volatile uint32_t data, state, ctrl, intstatus, bauddiv;
} cmsdk_uart;

typedef struct {
    volatile uint32_t ctrl, value, reload, intstatus;
} cmsdk_timer;

#define TIMER0 ((cmsdk_timer *)0x40000000u)
#define UART0 ((cmsdk_uart *)0x40004000u)
#define SYST_CSR (*(volatile uint32_t *)0xe000e010u)
#define SYST_RVR (*(volatile uint32_t *)0xe000e014u)
#define SYST_CVR (*(volatile uint32_t *)0xe000e018u)
#define NVIC_ISER (*(volatile uint32_t *)0xe000e100u)
#define NVIC_ICER (*(volatile uint32_t *)0xe000e180u)
#define NVIC_ISPR (*(volatile uint32_t *)0xe000e200u)

enum { TX_FULL = 1, RX_FULL = 2, RX_OVERRUN = 8 };
enum { TX_ENABLE = 1, RX_ENABLE = 2, TX_INTERRUPT = 4, RX_INTERRUPT = 8 };
enum { IRQ_RX = 0, IRQ_TX = 1 };

#define CLOCK_MHZ 25u
#define CLOCK_HZ (CLOCK_MHZ * 1000000u)

void irq_0(void);
void irq_1(void);
void systick_handler(void);

const char board_name[] = "mps2-an385";
const uint32_t board_rates[] = {115200, 230400, 460800, 921600, 0};
volatile uint32_t board_lost;

static ring_t received, to_send;
static uint32_t starts __attribute__((section(".noinit")));

void board_init(void)
{
    TIMER0->reload = 0xffffffffu;
    TIMER0->value = 0xffffffffu;
    TIMER0->ctrl = 1;
    board_set_rate(board_rates[0]);
    UART0->ctrl = TX_ENABLE | RX_ENABLE | TX_INTERRUPT | RX_INTERRUPT;
    SYST_RVR = CLOCK_HZ / 1000u - 1u;
    SYST_CVR = 0;
    SYST_CSR = 7; /* of the processor's clock, with its interrupt */
    NVIC_ISER = 1u << IRQ_RX | 1u << IRQ_TX;
}

/* There to end WFI. */
void systick_handler(void) {}

/* The timer counts down and wraps every 171 s. */
uint64_t board_now_us(void)
{
    static uint32_t last = 0xffffffffu, rest;
    static uint64_t us;
    uint32_t value = TIMER0->value, passed = last - value;
    last = value;
    us += passed / CLOCK_MHZ;
    rest += passed % CLOCK_MHZ;
    if (rest >= CLOCK_MHZ) {
        rest -= CLOCK_MHZ;
        us++;
    }
    return us;
}

/* --- the UART --- */

/* While the ring is full the UART keeps its byte, and the interrupt is off. */
void irq_0(void)
{
    UART0->intstatus = 1u << 1;
    if (UART0->state & RX_OVERRUN) {
        UART0->state = RX_OVERRUN;
        board_lost++;
    }
    while (UART0->state & RX_FULL) {
        if (ring_is_full(&received)) {
            NVIC_ICER = 1u << IRQ_RX;
            return;
        }
        ring_put(&received, (uint8_t)UART0->data);
    }
}

size_t board_receive(uint8_t *data, size_t n)
{
    n = ring_read(&received, data, n);
    if (n && !(NVIC_ISER & 1u << IRQ_RX)) {
        NVIC_ISER = 1u << IRQ_RX;
        NVIC_ISPR = 1u << IRQ_RX; /* the byte that waits has had its interrupt */
    }
    return n;
}

int board_has_received(void) { return ring_count(&received) != 0; }

static void fill_uart(void)
{
    while (!(UART0->state & TX_FULL) && ring_count(&to_send))
        UART0->data = ring_get(&to_send);
}

/* There is room again. */
void irq_1(void)
{
    UART0->intstatus = 1u << 0;
    fill_uart();
}

size_t board_send(const uint8_t *data, size_t n)
{
    n = ring_write(&to_send, data, n);
    NVIC_ICER = 1u << IRQ_TX; /* the ring has one reader at a time */
    __asm volatile("dsb\n isb" ::: "memory");
    fill_uart(); /* the first byte: no interrupt comes for it */
    NVIC_ISER = 1u << IRQ_TX;
    return n;
}

/* TX_FULL is about the byte that waits; the one before it takes one byte's time to leave the shift register. */
int board_tx_idle(void) { return !ring_count(&to_send) && !(UART0->state & TX_FULL); }

void board_set_rate(uint32_t baud) { UART0->bauddiv = CLOCK_HZ / baud; }

/* The memory goes on counting over a reset. After power was off it holds anything. */
uint32_t board_boot_id(void)
{
    starts = starts * 1664525u + 1013904223u + TIMER0->value;
    return starts;
}
