/* What the box may ask of the example camera; see vlp_rpc.h. */
#include "device_app.h"

#include <string.h>

#include "vlp_cbor.h"

enum { MAX_IMAGES = 1000000 };

static const vlp_parameter parameters[] = {
    {VLP_P_EXPOSURE_US, VLP_NUMBER, 0, 10, 1000000},
    {VLP_P_GAIN_Q8, VLP_NUMBER, 0, 256, 4096},
    {VLP_P_RATE_MHZ, VLP_NUMBER, 0, 100, 1000000},
    {VLP_P_LED, VLP_NUMBER, 0, 0, 255},
    {APP_P_UART_LOST, VLP_NUMBER, 1, 0, INT32_MAX},
    {APP_P_ECHOED, VLP_NUMBER, 1, 0, INT32_MAX},
    {APP_P_ECHOES_REFUSED, VLP_NUMBER, 1, 0, INT32_MAX},
    {APP_P_IMAGES, VLP_NUMBER, 1, 0, INT32_MAX},
};

static vlp_code get(void *ctx, const vlp_parameter *parameter, int32_t value[4])
{
    const app_t *app = ctx;
    switch (parameter->key) {
    case APP_P_UART_LOST:
        value[0] = (int32_t)*app->board->lost;
        break;
    case APP_P_ECHOED:
        value[0] = (int32_t)app->echoed;
        break;
    case APP_P_ECHOES_REFUSED:
        value[0] = (int32_t)app->echoes_refused;
        break;
    case APP_P_IMAGES:
        value[0] = (int32_t)app->images;
        break;
    default:
        value[0] = app->settings[parameter - parameters];
    }
    return VLP_OK;
}

static vlp_code set(void *ctx, const vlp_parameter *parameter, const int32_t value[4], int apply)
{
    app_t *app = ctx;
    if (apply)
        app->settings[parameter - parameters] = value[0];
    return VLP_OK;
}

static vlp_code trigger(void *ctx, uint32_t count, uint32_t delay_us, uint32_t *first_obj)
{
    app_t *app = ctx;
    if (app->endless)
        return VLP_BUSY;
    if (count > MAX_IMAGES || app->images_wanted > MAX_IMAGES)
        return VLP_RANGE;
    *first_obj = app->next_obj + app->images_wanted;
    app->images_wanted += count;
    app->next_image_us = app->board->now_us(app) + delay_us;
    return VLP_OK;
}

static vlp_code start(void *ctx, uint32_t images)
{
    app_t *app = ctx;
    app->endless = images == 0;
    app->images_wanted = images ? images : 1;
    app->next_image_us = 0;
    return VLP_OK;
}

static vlp_code stop(void *ctx)
{
    app_t *app = ctx;
    app->endless = 0;
    app->images_wanted = 0;
    return VLP_OK;
}

static vlp_code reboot(void *ctx, int boot_loader)
{
    app_t *app = ctx;
    if (boot_loader)
        return VLP_UNKNOWN; /* there is none */
    app->rebooting = 1;
    return VLP_OK;
}

int app_wants_reboot(const app_t *app) { return app->rebooting && vlp_rpc_idle(&app->rpc); }

static uint8_t make_identity(uint8_t *out, size_t limit, const char *model)
{
    static const char vendor[] = "Vedette", serial[] = "example-1", version[] = "1.0";
    const char *texts[] = {vendor, model, serial, version};
    vlp_writer writer = {out, out + limit, 0};
    vlp_cbor_put(&writer, VLP_MAP, 4);
    for (uint32_t key = 0; key < 4; key++) {
        vlp_cbor_put(&writer, VLP_UINT, key);
        vlp_cbor_put_string(&writer, VLP_TEXT, texts[key], strlen(texts[key]));
    }
    return (uint8_t)(writer.at - out);
}

void app_init_commands(app_t *app)
{
    static const vlp_commands commands = {
        .parameters = parameters, .parameter_count = sizeof parameters / sizeof *parameters,
        .formats = "GREY", .width = APP_WIDTH, .height = APP_HEIGHT,
        .get = get, .set = set, .trigger = trigger, .start = start, .stop = stop, .reboot = reboot};
    app->settings[APP_EXPOSURE_US] = 10000;
    app->settings[APP_GAIN_Q8] = 256;
    app->settings[APP_RATE_MHZ] = 10000;
    app->config.identity = app->identity;
    app->config.identity_size = make_identity(app->identity, sizeof app->identity, app->board->model);
    vlp_rpc_init(&app->rpc, &app->link, &commands, app, app->replies, APP_REPLY);
}
