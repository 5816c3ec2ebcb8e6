/* A camera without a sensor: what an application does above the link, the same on every board.
 *
 * It answers commands (section 5.1 of PROTOCOL.md), sends images of a moving pattern, and sends back every message on
 * channel APP_ECHO. All its memory is in app_t.
 */
#ifndef DEVICE_APP_H
#define DEVICE_APP_H

#include "vlp.h"
#include "vlp_baud.h"
#include "vlp_rpc.h"

#define APP_ECHO 100      /* vendor channel: every message comes back, in order */
#define APP_MAXPL 512u
#define APP_ECHOES 8      /* messages that wait to go back; one more is refused with NOMEM */
#define APP_REPLY 224u    /* the longest reply to a command */
#define APP_WIDTH 64
#define APP_HEIGHT 48

/* Settings, in the order of the table of parameters. */
enum { APP_EXPOSURE_US, APP_GAIN_Q8, APP_RATE_MHZ, APP_LED, APP_SETTINGS };

/* Vendor parameters, to be read: what was counted. */
enum { APP_P_UART_LOST = 64, APP_P_ECHOED, APP_P_ECHOES_REFUSED, APP_P_IMAGES };

/* What differs from board to board. */
typedef struct {
    const char *model;
    size_t (*tx)(void *ctx, const uint8_t *data, size_t n);
    uint64_t (*now_us)(void *ctx);
    const uint32_t *rates;          /* of the UART, the start rate first, 0 at the end */
    int (*tx_idle)(void *ctx);
    void (*set_rate)(void *ctx, uint32_t baud);
    uint32_t boot_id;
    const volatile uint32_t *lost;  /* how often the UART was not emptied in time */
} app_board;

typedef struct {
    uint8_t data[APP_MAXPL];
    uint16_t size;
} app_echo;

typedef struct {
    const app_board *board;
    vlp_t link;
    vlp_config config;
    vlp_hal hal;
    vlp_baud baud;
    vlp_rpc rpc;
    vlp_slot control_slots[4], bulk_slots[8];
    uint8_t rx_buffer[VLP_RX_BUFFER(APP_MAXPL)];
    uint8_t identity[64];
    uint8_t replies[VLP_KEPT_REPLIES * APP_REPLY];

    app_echo echoes[APP_ECHOES];    /* a ring: on their way, then waiting for a slot */
    uint8_t echo_first, echo_sent, echo_waiting;

    vlp_image image;
    uint8_t pixels[APP_WIDTH * APP_HEIGHT];
    uint64_t next_image_us;
    uint32_t images_wanted, next_obj;
    uint8_t image_busy, endless;

    int32_t settings[APP_SETTINGS];
    uint32_t echoed, echoes_refused, images;
    uint8_t rebooting;
} app_t;

/* NULL, or what vlp_check finds wrong. `board` must stay. */
const char *app_init(app_t *app, const app_board *board);

/* Bytes that came; time. Call app_poll at least once a millisecond, and after app_rx. */
void app_rx(app_t *app, const uint8_t *data, size_t n);
void app_poll(app_t *app);

/* Whether the box has asked for a restart, and has the answer to that. */
int app_wants_reboot(const app_t *app);

/* Of app_init: what device_commands.c adds. */
void app_init_commands(app_t *app);

#endif
