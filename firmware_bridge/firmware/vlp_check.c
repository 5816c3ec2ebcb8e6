/* What can be wrong with a configuration. */
#include "vlp_auth.h"
#include "vlp_baud.h"
#include "vlp_core.h"

const char *vlp_check(const vlp_config *config)
{
    const vlp_hal *hal = config->hal;
    if (!hal || !hal->tx || !hal->now_us || !hal->crc32 || !hal->on_message || !hal->on_event)
        return "hal: a function is missing";
    if (!config->rx_buffer)
        return "rx_buffer is missing";
    if (config->maxpl < MIN_MAXPL || config->maxpl > MAX_MAXPL)
        return "maxpl is not within 64..8192";
    if (config->window < 1 || config->window > MAX_WINDOW)
        return "window is not within 1..32";
    for (int sid = 0; sid < 2; sid++)
        if (!config->slots[sid] || config->slot_count[sid] < 1 || config->slot_count[sid] > MAX_WINDOW)
            return "slots: 1..32 of each stream are needed";
    if (config->identity_size > MAX_IDENTITY || (config->identity_size && !config->identity))
        return "identity has more than 192 bytes, or is missing";
    if (config->auth && (!config->auth->hmac || !config->auth->random))
        return "auth: vlp_auth_init needs hmac and random";
    if (config->baud && (!config->baud->rates || !config->baud->tx_idle || !config->baud->set_rate || !config->start_baud))
        return "baud: vlp_baud_init needs rates, tx_idle and set_rate, and start_baud must not be 0";
    return NULL;
}
