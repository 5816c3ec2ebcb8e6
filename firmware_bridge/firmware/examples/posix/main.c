/* A VLP/1 camera on a POSIX system: streams the JPEG files of a folder and writes down what the box finds in them.
 *
 *     vlp_camera --images FOLDER (--pty | --tcp PORT | --tty PATH) [--baud N] [--rate IMAGES_PER_S] [--repeat]
 *                [--results FILE] [--key HEX] [--maxpl N] [--window N] [--serial TEXT]
 *
 * The first line on stdout is where the box finds it. Images are sent when the box has asked for them (start, trigger). */
#define _XOPEN_SOURCE 700
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "camera.h"
#include "pipe.h"
#include "vlp_auth.h"
#include "vlp_baud.h"
#include "vlp_cbor.h"
#include "vlp_crc32.h"
#include "vlp_sha256.h"
#include "vlp_stats.h"

enum { SLOTS = 32 };

typedef struct {
    vlp_t link;
    vlp_config config;
    vlp_auth auth;
    vlp_baud baud;
    camera camera;
    byte_pipe pipe;
    int blocked;
    vlp_slot slots[2][SLOTS];
    uint8_t identity[192], rx_buffer[VLP_RX_BUFFER(8192)];
} device;

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

/* --- what the board does for the link --- */

static uint64_t now_us(void *ctx)
{
    struct timespec now;
    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static size_t tx(void *ctx, const uint8_t *data, size_t n)
{
    device *dev = ctx;
    size_t taken = n ? pipe_write(&dev->pipe, data, n) : 0;
    dev->blocked = taken < n;
    return taken;
}

static int tx_idle(void *ctx) { return pipe_is_empty(&((device *)ctx)->pipe); }

static void set_rate(void *ctx, uint32_t baud)
{
    if (pipe_set_rate(&((device *)ctx)->pipe, baud))
        perror("rate");
}

static void give_random(void *ctx, uint8_t *out, size_t n)
{
    FILE *source = fopen("/dev/urandom", "rb");
    (void)ctx;
    if (!source || fread(out, 1, n, source) != n) {
        perror("/dev/urandom");
        exit(1);
    }
    fclose(source);
}

static vlp_code on_message(void *ctx, const vlp_message *message) { return camera_on_message(&((device *)ctx)->camera, message); }

static void on_event(void *ctx, vlp_event event, const void *what) { camera_on_event(&((device *)ctx)->camera, event, what); }

static const vlp_hal hal = {tx, now_us, vlp_crc32_table, on_message, on_event};

static const uint32_t rates[] = {115200, 230400, 460800, 921600, 1000000, 1500000, 2000000, 3000000, 4000000, 0};

/* --- the command line --- */

typedef struct {
    const char *images, *tty, *results, *key, *serial;
    int pty, tcp, repeat;
    uint32_t baud, maxpl, window;
    double rate;
} options;

static void fail(const char *text)
{
    fprintf(stderr, "vlp_camera: %s\n", text);
    exit(2);
}

static options read_options(int argc, char **argv)
{
    options given = {.tcp = -1, .baud = 115200, .maxpl = 4096, .window = 16, .rate = 10, .serial = "0001"};
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (!strcmp(name, "--pty")) {
            given.pty = 1;
            continue;
        }
        if (!strcmp(name, "--repeat")) {
            given.repeat = 1;
            continue;
        }
        const char *value = i + 1 < argc ? argv[++i] : NULL;
        if (!value)
            fail("an option is not known, or lacks its value; see the head of main.c");
        if (!strcmp(name, "--images"))
            given.images = value;
        else if (!strcmp(name, "--tty"))
            given.tty = value;
        else if (!strcmp(name, "--tcp"))
            given.tcp = atoi(value);
        else if (!strcmp(name, "--results"))
            given.results = value;
        else if (!strcmp(name, "--key"))
            given.key = value;
        else if (!strcmp(name, "--serial"))
            given.serial = value;
        else if (!strcmp(name, "--baud"))
            given.baud = (uint32_t)strtoul(value, NULL, 10);
        else if (!strcmp(name, "--maxpl"))
            given.maxpl = (uint32_t)strtoul(value, NULL, 10);
        else if (!strcmp(name, "--window"))
            given.window = (uint32_t)strtoul(value, NULL, 10);
        else if (!strcmp(name, "--rate"))
            given.rate = atof(value);
        else
            fail("an option is not known; see the head of main.c");
    }
    if (!given.images || given.pty + (given.tcp >= 0) + (given.tty != NULL) != 1)
        fail("--images FOLDER and one of --pty, --tcp PORT, --tty PATH are needed");
    if (given.rate < 0.001 || given.rate > 1000)
        fail("--rate is not within 0.001..1000");
    return given;
}

static void read_key(const char *text, uint8_t key[32])
{
    for (int i = 0; i < 32; i++) {
        unsigned value;
        if (strlen(text) != 64 || sscanf(text + 2 * i, "%2x", &value) != 1)
            fail("--key takes 64 hexadecimal digits");
        key[i] = (uint8_t)value;
    }
}

/* {0: vendor, 1: model, 2: serial number, 3: firmware version} */
static uint8_t put_identity(device *dev, const char *serial)
{
    const char *text[] = {"Vedette", "Folder", serial, "1"};
    vlp_writer writer = {dev->identity, dev->identity + sizeof dev->identity, 0};
    vlp_cbor_put(&writer, VLP_MAP, 4);
    for (uint32_t i = 0; i < 4; i++) {
        vlp_cbor_put(&writer, VLP_UINT, i);
        vlp_cbor_put_string(&writer, VLP_TEXT, text[i], strlen(text[i]));
    }
    if (writer.full)
        fail("--serial is too long");
    return (uint8_t)(writer.at - dev->identity);
}

static void open_pipe(device *dev, const options *given)
{
    int failed = given->pty    ? pipe_open_pty(&dev->pipe)
                 : given->tty ? pipe_open_tty(&dev->pipe, given->tty, given->baud)
                              : pipe_open_tcp(&dev->pipe, (uint16_t)given->tcp);
    if (failed)
        fail(strerror(errno));
}

static void prepare(device *dev, const options *given)
{
    static uint8_t key[32];
    vlp_config *config = &dev->config;
    config->hal = &hal;
    config->ctx = dev;
    config->rx_buffer = dev->rx_buffer;
    config->slots[0] = dev->slots[0];
    config->slots[1] = dev->slots[1];
    config->slot_count[0] = config->slot_count[1] = SLOTS;
    config->window = (uint8_t)(given->window < 256 ? given->window : 0);
    config->maxpl = (uint16_t)(given->maxpl < 65536 ? given->maxpl : 0);
    config->caps = VLP_CAP_IMAGES | VLP_CAP_RESULTS;
    give_random(NULL, (uint8_t *)&config->boot_id, sizeof config->boot_id);
    config->identity = dev->identity;
    config->identity_size = put_identity(dev, given->serial);
    config->stats = vlp_stats;
    if (dev->pipe.is_tty) {
        config->start_baud = given->baud;
        vlp_baud_init(&dev->baud, rates, tx_idle, set_rate);
        config->baud = &dev->baud;
    }
    if (given->key) {
        read_key(given->key, key);
        vlp_auth_init(&dev->auth, key, vlp_hmac, give_random);
        config->auth = &dev->auth;
    }
    const char *wrong = vlp_check(config);
    if (wrong)
        fail(wrong);
    if (folder_open(&dev->camera.folder, given->images))
        exit(2);
    if (given->results && !(dev->camera.results = fopen(given->results, "w")))
        fail(strerror(errno));
    dev->camera.repeat = given->repeat;
    dev->camera.rate_mhz = (int32_t)(given->rate * 1000);
    camera_init(&dev->camera, &dev->link);
    vlp_init(&dev->link, config);
}

int main(int argc, char **argv)
{
    static device dev;
    uint8_t bytes[4096];
    options given = read_options(argc, argv);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    open_pipe(&dev, &given);
    prepare(&dev, &given);
    printf("%s\n", dev.pipe.place);
    fflush(stdout);
    while (!stopped) {
        size_t count = pipe_read(&dev.pipe, bytes, sizeof bytes);
        if (count)
            vlp_rx(&dev.link, bytes, count);
        camera_poll(&dev.camera, now_us(NULL));
        vlp_poll(&dev.link);
        if (count < sizeof bytes)
            pipe_wait(&dev.pipe, dev.blocked, 1);
    }
    return 0;
}
