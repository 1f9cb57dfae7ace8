/* Programs here: their hash, their machine, which one a host needs. No network. */
#include "hosts/upload.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mbedtls/md.h>

void upload_sha256(const void *data, size_t len, char hex[65])
{
    uint8_t sum[32] = {0};
    mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), data, len, sum);
    for (size_t i = 0; i < sizeof sum; i++)
        snprintf(hex + 2 * i, 3, "%02x", sum[i]);
}

static enum clw_err slurp(const char *path, struct buf *out, struct clw_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    enum clw_err code = CLW_OK;
    ssize_t n = 0;
    if (fd < 0 || fstat(fd, &st))
        code = clw_fail(err, errno == ENOENT ? CLW_NOT_FOUND : CLW_IO, "is Clowder installed completely?",
            "cannot read %s: %s", path, strerror(errno));
    else if (!S_ISREG(st.st_mode) || st.st_size > UPLOAD_MAX)
        code = clw_fail(err, CLW_USAGE, NULL, "%s is not a program", path);
    if (!code) {
        buf_clear(out);
        while (out->len <= UPLOAD_MAX && (n = read(fd, buf_reserve(out, 1 << 16), 1 << 16)) > 0)
            out->len += (size_t)n;
        if (n < 0)
            code = clw_fail(err, CLW_IO, NULL, "cannot read %s: %s", path, strerror(errno));
    }
    if (fd >= 0)
        close(fd);
    return code;
}

const char *upload_machine(const uint8_t *data, size_t len)
{
    if (len < 20 || memcmp(data, ELFMAG, SELFMAG) != 0)
        return NULL;
    bool little = data[EI_DATA] == ELFDATA2LSB;
    unsigned machine = little ? data[18] | (unsigned)data[19] << 8 : data[19] | (unsigned)data[18] << 8;
    switch (machine) {
    case EM_X86_64: return "x86_64";
    case EM_386: return "i686";
    case EM_AARCH64: return "aarch64";
    case EM_ARM: return "armv7l";
    case EM_RISCV: return data[EI_CLASS] == ELFCLASS64 ? "riscv64" : "riscv32";
    case EM_PPC64: return little ? "ppc64le" : "ppc64";
    case EM_S390: return "s390x";
    default: return NULL;
    }
}

/* Machines as upload_machine() names them, each with the other names that systems have for it. */
static const struct {
    const char *name, *others[3];
} machines[] = {{"x86_64", {"amd64"}}, {"aarch64", {"arm64"}}, {"i686", {"i386", "i486", "i586"}},
    {"armv7l", {"armv7", "armv8l"}}, {"riscv64", {NULL}}, {"riscv32", {NULL}}, {"ppc64le", {NULL}}, {"ppc64", {NULL}},
    {"s390x", {NULL}}};

enum { MACHINES = sizeof machines / sizeof *machines, OTHERS = sizeof machines[0].others / sizeof(char *) };

/* One name for the ways in which systems write a machine. */
static const char *plain(const char *arch)
{
    for (size_t i = 0; i < MACHINES; i++)
        for (size_t k = 0; k < OTHERS && machines[i].others[k]; k++)
            if (strcmp(arch, machines[i].others[k]) == 0)
                return machines[i].name;
    return arch;
}

bool upload_runs_on(const char *machine, const char *arch)
{
    const char *a = plain(machine), *b = plain(arch);
    return strcmp(a, b) == 0 || (strcmp(a, "i686") == 0 && strcmp(b, "x86_64") == 0);
}

static bool fits(const struct buf *program, const char *arch)
{
    const char *machine = upload_machine(program->data, program->len);
    return machine && upload_runs_on(machine, arch);
}

static void add_names(struct buf *out, size_t machine, const char *sha256)
{
    buf_printf(out, "%s:clowder-daemon-%.16s ", machines[machine].name, sha256);
    for (size_t k = 0; k < OTHERS && machines[machine].others[k]; k++)
        buf_printf(out, "%s:clowder-daemon-%.16s ", machines[machine].others[k], sha256);
}

char *upload_names(const char *path)
{
    struct buf out = {0}, own = {0}, other = {0};
    char own_sha256[65], sha256[65];
    if (*path && slurp(path, &own, NULL) == CLW_OK)
        upload_sha256(own.data, own.len, own_sha256);
    for (size_t i = 0; own.len > 0 && i < MACHINES; i++) {
        char *beside = mem_printf("%s-%s", path, machines[i].name);
        if (fits(&own, machines[i].name)) {
            add_names(&out, i, own_sha256);
        } else if (access(beside, R_OK) == 0 && slurp(beside, &other, NULL) == CLW_OK &&
                   fits(&other, machines[i].name)) {
            upload_sha256(other.data, other.len, sha256);
            add_names(&out, i, sha256);
        }
        free(beside);
    }
    buf_fini(&own);
    buf_fini(&other);
    return buf_steal(&out);
}

static enum clw_err none_fits(const char *path, const char *arch, const char *machine, struct clw_error *err)
{
    bool is_built = strcmp(arch, "aarch64") == 0 || strcmp(arch, "x86_64") == 0; /* cmake/sysroot.sh */
    char hint[400];
    snprintf(hint, sizeof hint, "%s and put it here as %.200s-%.30s",
        is_built ? "build it with ./run daemons in Clowder's sources" : "build clowder-daemon on such a machine", path,
        arch);
    return clw_fail(err, CLW_REFUSED, hint, "the host is a machine of type %.30s, the daemon program here is for %s",
        arch, machine ? machine : "an unknown type");
}

enum clw_err upload_pick(const char *path, const char *arch, struct buf *out, char **used, struct clw_error *err)
{
    *used = NULL;
    enum clw_err code = slurp(path, out, err);
    if (code)
        return code;
    if (fits(out, arch)) {
        *used = mem_strdup(path);
        return CLW_OK;
    }
    const char *machine = upload_machine(out->data, out->len);
    char *other = mem_printf("%s-%s", path, plain(arch));
    if (slurp(other, out, NULL) == CLW_OK && fits(out, arch)) {
        *used = other;
        return CLW_OK;
    }
    free(other);
    return none_fits(path, plain(arch), machine, err);
}

char *upload_quote(const char *text)
{
    struct buf out = {0};
    buf_add_quoted(&out, text);
    return buf_steal(&out);
}
