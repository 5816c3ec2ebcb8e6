/* Requests, replies that are kept, and the table of parameters; see vlp_rpc.h. */
#include "vlp_rpc.h"

#include <string.h>

#include "vlp_cbor.h"

enum { EMPTY, KEPT, WAITING, ON_ITS_WAY };
enum { K_ID, K_METHOD, K_ARGS, K_RESULT = K_ARGS, K_ERROR };
enum { M_GET_CAPS, M_GET, M_SET, M_TRIGGER, M_START, M_STOP, M_REBOOT, M_SUBSCRIBE, M_PAIR };
enum { KEY_SIZE = 32 };

static void put_key(vlp_writer *out, uint32_t key) { vlp_cbor_put(out, VLP_UINT, key); }

/* --- parameters --- */

static const vlp_parameter *find(const vlp_rpc *rpc, const vlp_item *key)
{
    const vlp_commands *commands = rpc->commands;
    for (unsigned i = 0; key->type == VLP_UINT && i < commands->parameter_count; i++)
        if (commands->parameters[i].key == key->number)
            return &commands->parameters[i];
    return NULL;
}

static vlp_code read_pins(vlp_reader *in, uint32_t pairs, int32_t value[4])
{
    uint32_t mask = 0, levels = 0;
    for (; pairs; pairs--) {
        vlp_item pin = vlp_cbor_next(in), level = vlp_cbor_next(in);
        if (level.type != VLP_UINT || level.number > 1)
            return VLP_INVALID;
        if (pin.number > 31)
            return VLP_RANGE;
        mask |= 1u << pin.number;
        levels |= level.number << pin.number;
    }
    memcpy(&value[0], &mask, sizeof mask);
    memcpy(&value[1], &levels, sizeof levels);
    return VLP_OK;
}

/* A value of the kind that the parameter has, within its range. */
static vlp_code read_value(vlp_reader *in, const vlp_parameter *parameter, int32_t value[4])
{
    vlp_item item = vlp_cbor_next(in);
    unsigned count = parameter->kind;
    if (count == VLP_PINS)
        return item.type == VLP_MAP ? read_pins(in, item.number, value) : VLP_INVALID;
    if (count == VLP_FOURCC) {
        if (item.type != VLP_TEXT || item.number != 4)
            return VLP_INVALID;
        uint32_t code = item.data[0] | (uint32_t)item.data[1] << 8 | (uint32_t)item.data[2] << 16 | (uint32_t)item.data[3] << 24;
        memcpy(value, &code, sizeof code);
        return VLP_OK;
    }
    if (count > 1 && (item.type != VLP_ARRAY || item.number != count))
        return VLP_INVALID;
    for (unsigned i = 0; i < count; i++) {
        if (count > 1)
            item = vlp_cbor_next(in);
        if (item.type > VLP_NEGATIVE)
            return VLP_INVALID;
        if (!vlp_cbor_integer(&item, &value[i]) || value[i] < parameter->min || value[i] > parameter->max)
            return VLP_RANGE;
    }
    return VLP_OK;
}

static void put_pins(vlp_writer *out, const int32_t value[4])
{
    uint32_t mask = (uint32_t)value[0], levels = (uint32_t)value[1], pins = 0;
    for (uint32_t rest = mask; rest; rest &= rest - 1u)
        pins++;
    vlp_cbor_put(out, VLP_MAP, pins);
    for (uint32_t pin = 0; pin < 32; pin++)
        if (mask >> pin & 1u) {
            put_key(out, pin);
            vlp_cbor_put(out, VLP_UINT, levels >> pin & 1u);
        }
}

static vlp_code put_value(const vlp_rpc *rpc, vlp_writer *out, const vlp_parameter *parameter)
{
    int32_t value[4] = {0};
    vlp_code code = rpc->commands->get ? rpc->commands->get(rpc->ctx, parameter, value) : VLP_UNKNOWN;
    unsigned count = parameter->kind;
    put_key(out, parameter->key);
    if (count == VLP_PINS) {
        put_pins(out, value);
    } else if (count == VLP_FOURCC) {
        uint32_t text = (uint32_t)value[0];
        const uint8_t bytes[4] = {(uint8_t)text, (uint8_t)(text >> 8), (uint8_t)(text >> 16), (uint8_t)(text >> 24)};
        vlp_cbor_put_string(out, VLP_TEXT, bytes, 4);
    } else {
        if (count > 1)
            vlp_cbor_put(out, VLP_ARRAY, count);
        for (unsigned i = 0; i < count; i++)
            vlp_cbor_put_integer(out, value[i]);
    }
    return code;
}

/* --- methods --- */

static vlp_code get_caps(const vlp_rpc *rpc, vlp_writer *out)
{
    const vlp_commands *commands = rpc->commands;
    const vlp_config *config = rpc->link->config;
    size_t formats = commands->formats ? strlen(commands->formats) / 4u : 0;
    vlp_cbor_put(out, VLP_MAP, 4);
    put_key(out, 0);
    if (config->identity_size)
        vlp_cbor_put_raw(out, config->identity, config->identity_size);
    else
        vlp_cbor_put(out, VLP_MAP, 0);
    put_key(out, 1);
    vlp_cbor_put(out, VLP_MAP, commands->parameter_count);
    for (unsigned i = 0; i < commands->parameter_count; i++) {
        const vlp_parameter *parameter = &commands->parameters[i];
        put_key(out, parameter->key);
        if (parameter->kind > VLP_QUAD) {
            vlp_cbor_put(out, VLP_SIMPLE, VLP_TRUE);
            continue;
        }
        vlp_cbor_put(out, VLP_ARRAY, 2);
        vlp_cbor_put_integer(out, parameter->min);
        vlp_cbor_put_integer(out, parameter->max);
    }
    put_key(out, 2);
    vlp_cbor_put(out, VLP_ARRAY, (uint32_t)formats);
    for (size_t i = 0; i < formats; i++)
        vlp_cbor_put_string(out, VLP_TEXT, commands->formats + 4 * i, 4);
    put_key(out, 3);
    vlp_cbor_put(out, VLP_ARRAY, 2);
    vlp_cbor_put(out, VLP_UINT, commands->width);
    vlp_cbor_put(out, VLP_UINT, commands->height);
    return VLP_OK;
}

/* The argument with key 0, 1, ..; a VLP_NULL if it is missing. Of an array or a map `args` stands at its items then. */
static vlp_item argument(vlp_reader *args, uint32_t key)
{
    vlp_item item = vlp_cbor_next(args);
    uint32_t pairs = item.type == VLP_MAP ? item.number : 0;
    for (; pairs; pairs--) {
        vlp_item found = vlp_cbor_next(args);
        if (found.number == key)
            return vlp_cbor_next(args);
        vlp_cbor_skip(args);
    }
    item.type = VLP_SIMPLE;
    item.number = VLP_NULL;
    return item;
}

static uint32_t number_argument(vlp_reader args, uint32_t key, uint32_t missing)
{
    vlp_item item = argument(&args, key);
    return item.type == VLP_UINT ? item.number : missing;
}

/* Whether a parameter's key is among `count` items, or pairs. */
static int is_named(vlp_reader in, uint32_t count, int pairs, uint32_t key)
{
    for (; count; count--) {
        vlp_item item = vlp_cbor_next(&in);
        if (item.type == VLP_UINT && item.number == key)
            return 1;
        if (pairs)
            vlp_cbor_skip(&in);
    }
    return 0;
}

/* The parameters that are named, each once, in the order of the table. */
static vlp_code put_values(const vlp_rpc *rpc, vlp_reader in, uint32_t count, int pairs, vlp_writer *out)
{
    const vlp_parameter *begin = rpc->commands->parameters, *end = begin + rpc->commands->parameter_count, *one;
    vlp_code code = VLP_OK;
    uint32_t named = 0;
    for (one = begin; one < end; one++)
        named += (uint32_t)is_named(in, count, pairs, one->key);
    vlp_cbor_put(out, VLP_MAP, named);
    for (one = begin; one < end && !code; one++)
        if (is_named(in, count, pairs, one->key))
            code = put_value(rpc, out, one);
    return code;
}

static vlp_code get(const vlp_rpc *rpc, vlp_reader args, vlp_writer *out)
{
    vlp_item list = argument(&args, 0);
    vlp_reader keys = args;
    if (list.type != VLP_ARRAY)
        return VLP_INVALID;
    for (uint32_t i = 0; i < list.number; i++) {
        vlp_item key = vlp_cbor_next(&keys);
        if (!find(rpc, &key))
            return VLP_UNKNOWN;
    }
    return put_values(rpc, args, list.number, 0, out);
}

static vlp_code set_one(const vlp_rpc *rpc, vlp_reader *args, int apply)
{
    int32_t value[4] = {0};
    vlp_item key = vlp_cbor_next(args);
    const vlp_parameter *parameter = find(rpc, &key);
    if (!parameter || !rpc->commands->set)
        return VLP_UNKNOWN;
    if (parameter->read_only)
        return VLP_INVALID;
    vlp_code code = read_value(args, parameter, value);
    return code ? code : rpc->commands->set(rpc->ctx, parameter, value, apply);
}

static vlp_code set(const vlp_rpc *rpc, vlp_reader args, vlp_writer *out)
{
    const uint32_t pairs = vlp_cbor_next(&args).number;
    for (int apply = 0; apply < 2; apply++) {
        vlp_reader reader = args;
        for (uint32_t i = 0; i < pairs; i++) {
            vlp_code code = set_one(rpc, &reader, apply);
            if (code)
                return code;
        }
    }
    return put_values(rpc, args, pairs, 1, out);
}

static vlp_code trigger(const vlp_rpc *rpc, vlp_reader args, vlp_writer *out)
{
    uint32_t first = 0;
    vlp_code code = rpc->commands->trigger(rpc->ctx, number_argument(args, 0, 1), number_argument(args, 1, 0), &first);
    vlp_cbor_put(out, VLP_MAP, 1);
    put_key(out, 0);
    vlp_cbor_put(out, VLP_UINT, first);
    return code;
}

static vlp_code subscribe(const vlp_rpc *rpc, vlp_reader args)
{
    vlp_item list = argument(&args, 0);
    uint32_t kinds = 0;
    if (list.type != VLP_ARRAY)
        return VLP_INVALID;
    for (uint32_t i = 0; i < list.number; i++) {
        vlp_item kind = vlp_cbor_next(&args);
        if (kind.type != VLP_UINT || kind.number > 31)
            return VLP_RANGE;
        kinds |= 1u << kind.number;
    }
    return rpc->commands->subscribe(rpc->ctx, kinds);
}

static vlp_code pair(const vlp_rpc *rpc, vlp_reader args)
{
    vlp_item key = argument(&args, 0);
    if (key.type != VLP_BYTES || key.number != KEY_SIZE)
        return VLP_INVALID;
    return rpc->commands->pair(rpc->ctx, key.data);
}

/* Carry a request out; what it writes is the result, or nothing. `args`: at the map of arguments. */
static vlp_code carry_out(const vlp_rpc *rpc, uint32_t method, vlp_reader args, vlp_writer *out)
{
    const vlp_commands *commands = rpc->commands;
    switch (method) {
    case M_GET_CAPS:
        return get_caps(rpc, out);
    case M_GET:
        return get(rpc, args, out);
    case M_SET:
        return set(rpc, args, out);
    case M_TRIGGER:
        return commands->trigger ? trigger(rpc, args, out) : VLP_UNKNOWN;
    case M_START:
        return commands->start ? commands->start(rpc->ctx, number_argument(args, 0, 0)) : VLP_UNKNOWN;
    case M_STOP:
        return commands->stop ? commands->stop(rpc->ctx) : VLP_UNKNOWN;
    case M_REBOOT:
        return commands->reboot ? commands->reboot(rpc->ctx, number_argument(args, 0, 0) == 1) : VLP_UNKNOWN;
    case M_SUBSCRIBE:
        return commands->subscribe ? subscribe(rpc, args) : VLP_UNKNOWN;
    case M_PAIR:
        return commands->pair ? pair(rpc, args) : VLP_UNKNOWN;
    default:
        return VLP_UNKNOWN;
    }
}

/* --- requests and replies --- */

static uint8_t *memory_of(const vlp_rpc *rpc, const vlp_reply *reply)
{
    return rpc->memory + (size_t)(reply - rpc->replies) * rpc->reply_size;
}

static void send(vlp_rpc *rpc, vlp_reply *reply)
{
    reply->state = vlp_send(rpc->link, VLP_RPC, memory_of(rpc, reply), reply->size) == 0 ? ON_ITS_WAY : WAITING;
}

/* {0: id, 2: result} or {0: id, 3: error}. */
static void fill(const vlp_rpc *rpc, vlp_reply *reply, uint32_t method, vlp_reader args, int invalid)
{
    static const uint8_t no_arguments[1] = {0xa0};
    uint8_t *memory = memory_of(rpc, reply);
    uint16_t limit = vlp_longest(rpc->link, VLP_RPC);
    vlp_writer out = {memory, memory + (limit < rpc->reply_size ? limit : rpc->reply_size), 0}, before;
    if (!args.at) {
        args.at = no_arguments;
        args.end = no_arguments + 1;
    }
    vlp_cbor_put(&out, VLP_MAP, 2);
    put_key(&out, K_ID);
    vlp_cbor_put(&out, VLP_UINT, reply->id);
    before = out;
    put_key(&out, K_RESULT);
    const uint8_t *result = out.at;
    vlp_code code = invalid ? VLP_INVALID : carry_out(rpc, method, args, &out);
    if (!code && out.full)
        code = VLP_NOMEM;
    if (code) {
        out = before;
        put_key(&out, K_ERROR);
        vlp_cbor_put(&out, VLP_UINT, (uint32_t)code);
    } else if (out.at == result) {
        vlp_cbor_put(&out, VLP_MAP, 0);
    }
    reply->size = (uint16_t)(out.at - memory);
}

static vlp_reply *kept(vlp_rpc *rpc, uint32_t id)
{
    for (unsigned i = 0; i < VLP_KEPT_REPLIES; i++)
        if (rpc->replies[i].state != EMPTY && rpc->replies[i].id == id)
            return &rpc->replies[i];
    return NULL;
}

vlp_code vlp_rpc_request(vlp_rpc *rpc, const uint8_t *data, uint16_t n)
{
    vlp_reader in = {data, data + n}, args = {NULL, NULL};
    uint32_t id = 0, method = 0;
    int has_id = 0, has_method = 0, invalid = 0;
    if (!vlp_cbor_valid(data, n))
        return VLP_INVALID;
    vlp_item map = vlp_cbor_next(&in);
    if (map.type != VLP_MAP)
        return VLP_INVALID;
    for (uint32_t pairs = map.number; pairs; pairs--) {
        uint32_t key = vlp_cbor_next(&in).number;
        vlp_reader value = in;
        vlp_item item = vlp_cbor_next(&in);
        in = value;
        vlp_cbor_skip(&in);
        if (key == K_ID && item.type == VLP_UINT && !item.wide) {
            id = item.number;
            has_id = 1;
        } else if (key == K_METHOD && item.type == VLP_UINT) {
            method = item.number;
            has_method = 1;
        } else if (key == K_ARGS) {
            args = value;
            invalid = item.type != VLP_MAP;
        }
    }
    if (!has_id)
        return VLP_INVALID;
    vlp_reply *reply = kept(rpc, id);
    if (!reply) {
        reply = &rpc->replies[rpc->next];
        if (reply->state == WAITING || reply->state == ON_ITS_WAY)
            return VLP_BUSY;
        rpc->next = (uint8_t)((rpc->next + 1u) % VLP_KEPT_REPLIES);
        reply->id = id;
        fill(rpc, reply, method, args, invalid || !has_method);
        reply->state = KEPT;
    }
    if (reply->state == KEPT)
        send(rpc, reply);
    return VLP_OK;
}

int vlp_rpc_gone(vlp_rpc *rpc, const void *what)
{
    for (unsigned i = 0; i < VLP_KEPT_REPLIES; i++)
        if (rpc->replies[i].state == ON_ITS_WAY && memory_of(rpc, &rpc->replies[i]) == what) {
            rpc->replies[i].state = KEPT;
            return 1;
        }
    return 0;
}

void vlp_rpc_poll(vlp_rpc *rpc)
{
    for (unsigned i = 0; i < VLP_KEPT_REPLIES; i++) {
        vlp_reply *reply = &rpc->replies[(rpc->next + i) % VLP_KEPT_REPLIES];
        if (reply->state != WAITING)
            continue;
        if (vlp_is_up(rpc->link))
            send(rpc, reply);
        else
            reply->state = KEPT;
    }
}

int vlp_rpc_idle(const vlp_rpc *rpc)
{
    for (unsigned i = 0; i < VLP_KEPT_REPLIES; i++)
        if (rpc->replies[i].state > KEPT)
            return 0;
    return 1;
}

void vlp_rpc_init(vlp_rpc *rpc, vlp_t *link, const vlp_commands *commands, void *ctx, uint8_t *memory, uint16_t reply_size)
{
    memset(rpc, 0, sizeof *rpc);
    rpc->link = link;
    rpc->commands = commands;
    rpc->ctx = ctx;
    rpc->memory = memory;
    rpc->reply_size = reply_size;
}
