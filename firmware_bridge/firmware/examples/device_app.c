/* Echo and images, and what holds the application together. */
#include "device_app.h"

#include <string.h>

#include "vlp_crc32.h"
#include "vlp_stats.h"

/* --- echo: messages wait in a ring until the link has a slot, and stay there until the box has them --- */

static app_echo *echo_at(app_t *app, unsigned i) { return &app->echoes[(app->echo_first + i) % APP_ECHOES]; }

static vlp_code take_echo(app_t *app, const vlp_message *message)
{
    unsigned used = (unsigned)app->echo_sent + app->echo_waiting;
    if (used == APP_ECHOES) {
        app->echoes_refused++;
        return VLP_NOMEM;
    }
    app_echo *echo = echo_at(app, used);
    memcpy(echo->data, message->data, message->size);
    echo->size = message->size;
    app->echo_waiting++;
    return VLP_OK;
}

static void send_echoes(app_t *app)
{
    while (app->echo_waiting) {
        const app_echo *echo = echo_at(app, app->echo_sent);
        if (vlp_send(&app->link, APP_ECHO, echo->data, echo->size))
            return; /* no slot is free: later */
        app->echo_waiting--;
        app->echo_sent++;
    }
}

static void echo_is_back(app_t *app)
{
    app->echo_first = (uint8_t)((app->echo_first + 1u) % APP_ECHOES);
    app->echo_sent--;
    app->echoed++;
}

/* --- images: one buffer, filled anew when the box has what was in it --- */

static void take_image(app_t *app, uint64_t now)
{
    vlp_image *image = &app->image;
    for (unsigned i = 0; i < sizeof app->pixels; i++)
        app->pixels[i] = (uint8_t)((i % APP_WIDTH) ^ (i / APP_WIDTH + app->next_obj));
    image->t_capture_us = now;
    image->exposure_us = (uint32_t)app->settings[APP_EXPOSURE_US];
    image->crc32 = app->hal.crc32(app, 0, app->pixels, sizeof app->pixels);
    if (vlp_send_image(&app->link, image))
        return;
    app->next_obj = image->obj + 1u;
    app->image_busy = 1;
    app->images++;
    if (!app->endless)
        app->images_wanted--;
    app->next_image_us = now + 1000000000u / (uint32_t)app->settings[APP_RATE_MHZ];
}

static void send_images(app_t *app)
{
    uint64_t now = app->board->now_us(app);
    if (app->images_wanted && !app->image_busy && now >= app->next_image_us)
        take_image(app, now);
}

/* --- what the link calls --- */

static vlp_code on_message(void *ctx, const vlp_message *message)
{
    app_t *app = ctx;
    if (message->flags & VLP_RELIABLE && message->channel == APP_ECHO)
        return take_echo(app, message);
    if (message->flags & VLP_RELIABLE && message->channel == VLP_RPC)
        return vlp_rpc_request(&app->rpc, message->data, message->size);
    return VLP_UNKNOWN;
}

static void on_event(void *ctx, vlp_event event, const void *what)
{
    app_t *app = ctx;
    if (event == VLP_DOWN) { /* the next box gets nothing of what this one wanted */
        app->echo_sent = app->echo_waiting = 0;
        app->images_wanted = app->endless = 0;
    } else if (event == VLP_UP || vlp_rpc_gone(&app->rpc, what)) {
        return;
    } else if (what == &app->image) {
        app->image_busy = 0;
    } else if (event == VLP_SENT) {
        echo_is_back(app);
    }
}

/* --- what the board calls --- */

const char *app_init(app_t *app, const app_board *board)
{
    memset(app, 0, sizeof *app);
    app->board = board;
    memcpy(app->image.fourcc, "GREY", 4);
    app->image.data = app->pixels;
    app->image.size = sizeof app->pixels;
    app->image.width = app->image.stride = APP_WIDTH;
    app->image.height = APP_HEIGHT;

    app->hal = (vlp_hal){board->tx, board->now_us, vlp_crc32_nibble, on_message, on_event};
    vlp_baud_init(&app->baud, board->rates, board->tx_idle, board->set_rate);
    app->config.hal = &app->hal;
    app->config.ctx = app;
    app->config.rx_buffer = app->rx_buffer;
    app->config.slots[0] = app->control_slots;
    app->config.slots[1] = app->bulk_slots;
    app->config.slot_count[0] = sizeof app->control_slots / sizeof *app->control_slots;
    app->config.slot_count[1] = sizeof app->bulk_slots / sizeof *app->bulk_slots;
    app->config.window = 8;
    app->config.maxpl = APP_MAXPL;
    app->config.caps = VLP_CAP_IMAGES;
    app->config.boot_id = board->boot_id;
    app->config.start_baud = board->rates[0];
    app->config.stats = vlp_stats;
    app->config.baud = &app->baud;
    app_init_commands(app);
    const char *wrong = vlp_check(&app->config);
    if (!wrong)
        vlp_init(&app->link, &app->config);
    return wrong;
}

void app_rx(app_t *app, const uint8_t *data, size_t n) { vlp_rx(&app->link, data, n); }

void app_poll(app_t *app)
{
    send_echoes(app);
    send_images(app);
    vlp_rpc_poll(&app->rpc);
    vlp_poll(&app->link);
}
