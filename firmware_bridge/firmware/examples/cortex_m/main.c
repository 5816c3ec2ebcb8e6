/* The application on a Cortex-M: interrupts fill and empty the rings, everything else happens in this loop. */
#include "board.h"
#include "device_app.h"

static size_t tx(void *ctx, const uint8_t *data, size_t n)
{
    (void)ctx;
    return board_send(data, n);
}

static uint64_t now_us(void *ctx)
{
    (void)ctx;
    return board_now_us();
}

static int tx_idle(void *ctx)
{
    (void)ctx;
    return board_tx_idle();
}

static void set_rate(void *ctx, uint32_t baud)
{
    (void)ctx;
    board_set_rate(baud);
}

/* Until the next interrupt: a byte, or the tick. One that comes after the look at the bytes still ends WFI. */
static void sleep(void)
{
    __asm volatile("cpsid i" ::: "memory");
    if (!board_has_received())
        __asm volatile("wfi");
    __asm volatile("cpsie i" ::: "memory");
}

static void restart(void)
{
    *(volatile uint32_t *)0xe000ed0cu = 0x05fa0004u; /* AIRCR: key and SYSRESETREQ */
}

int main(void)
{
    static app_board board = {board_name, tx, now_us, board_rates, tx_idle, set_rate, 0, &board_lost};
    static app_t app;
    board_init();
    board.boot_id = board_boot_id();
    if (app_init(&app, &board))
        return 1;
    for (;;) {
        uint8_t bytes[64];
        app_rx(&app, bytes, board_receive(bytes, sizeof bytes));
        app_poll(&app);
        if (app_wants_reboot(&app) && board_tx_idle())
            restart();
        sleep();
    }
}
