/* Any bytes as the output of a probe: facts stay within their bounds, become JSON, and say nothing that they
 * should not. The same bytes also as frames of the stdio fallback, as an agent's answer, and as words to the
 * supervisor. */
#include "base/mem.h"
#include "base/text.h"
#include "hosts/ssh/agent.h"
#include "hosts/remote/mux.h"
#include "hosts/probe.h"
#include "hosts/upload.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void probe_bytes(const uint8_t *data, size_t size)
{
    static struct host_facts facts;
    struct probe p;
    size_t half = size / 2;
    probe_init(&p, "T", &facts);
    probe_feed(&p, data, half);
    probe_feed(&p, data + half, size - half);
    must(facts.gpu_count >= 0 && facts.gpu_count <= HOST_GPUS_MAX && facts.cores >= 0);
    must(memchr(facts.unparsed, 0, sizeof facts.unparsed) != NULL && !strchr(facts.unparsed, '\033'));
    must(facts.load1 == -1 || (facts.load1 >= 0 && facts.load1 <= 1e6));
    char *json = host_facts_json(&facts);
    must(strlen(json) > 2);
    free(json);
    probe_fini(&p);
}

static void mux_bytes(const uint8_t *data, size_t size)
{
    struct mux_reader r = {0};
    struct mux_frame f;
    int got;
    mux_feed(&r, MUX_GREETING, sizeof MUX_GREETING - 1);
    for (size_t at = 0; at < size; at += 7) {
        mux_feed(&r, data + at, size - at < 7 ? size - at : 7);
        while ((got = mux_next(&r, &f)) > 0)
            must(f.len <= MUX_PAYLOAD && f.type >= MUX_LISTEN && f.type < MUX_TYPES);
        if (got < 0)
            break;
    }
    mux_reader_fini(&r);
}

static void agent_bytes(const uint8_t *data, size_t size)
{
    struct agent_keys wanted = {0}, certificates = {0}, offered = {0};
    struct buf out = {0};
    agent_keys_add(&certificates, data, size / 2);
    const struct agent_offer offer = {.wanted = &wanted, .certificates = &certificates};
    if (agent_filter(data, size, &offer, &out, &offered))
        must(out.len >= 5);
    struct buf request = {0};
    buf_add(&request, data, size);
    if (size)
        agent_name_key(&request, &certificates, &offered);
    buf_fini(&request);
    agent_keys_fini(&certificates);
    agent_keys_fini(&offered);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    probe_bytes(data, size);
    mux_bytes(data, size);
    agent_bytes(data, size);
    upload_machine(data, size);
    return 0;
}
