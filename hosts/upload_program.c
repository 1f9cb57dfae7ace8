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

void upload_name(const char *path, char *out, size_t size)
{
    struct buf program = {0};
    char hex[65];
    *out = '\0';
    if (*path && slurp(path, &program, NULL) == CLW_OK) {
        upload_sha256(program.data, program.len, hex);
        snprintf(out, size, "clowder-daemon-%.16s", hex);
    }
    buf_fini(&program);
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

/* One name for the ways in which systems write a machine. */
static const char *plain(const char *arch)
{
    if (strcmp(arch, "amd64") == 0)
        return "x86_64";
    if (strcmp(arch, "arm64") == 0)
        return "aarch64";
    if (strlen(arch) == 4 && arch[0] == 'i' && strcmp(arch + 2, "86") == 0)
        return "i686";
    if (strncmp(arch, "armv7", 5) == 0 || strncmp(arch, "armv8", 5) == 0)
        return "armv7l";
    return arch;
}

bool upload_runs_on(const char *machine, const char *arch)
{
    const char *a = plain(machine), *b = plain(arch);
    return strcmp(a, b) == 0 || (strcmp(a, "i686") == 0 && strcmp(b, "x86_64") == 0);
}

enum clw_err upload_pick(const char *path, const char *arch, struct buf *out, char **used, struct clw_error *err)
{
    struct clw_error ignored;
    const char *machine;
    *used = NULL;
    enum clw_err code = slurp(path, out, err);
    if (code)
        return code;
    machine = upload_machine(out->data, out->len);
    if (machine && upload_runs_on(machine, arch)) {
        *used = mem_strdup(path);
        return CLW_OK;
    }
    char *other = mem_printf("%s-%s", path, plain(arch)), hint[300];
    code = slurp(other, out, &ignored);
    const char *second = code ? NULL : upload_machine(out->data, out->len);
    if (second && upload_runs_on(second, arch)) {
        *used = other;
        return CLW_OK;
    }
    snprintf(hint, sizeof hint, "build clowder-daemon on such a machine and put it here as %.200s", other);
    free(other);
    return clw_fail(err, CLW_REFUSED, hint, "the host is a %.30s machine, the daemon program here is for %s", arch,
        machine ? machine : "an unknown kind of machine");
}

char *upload_quote(const char *text)
{
    struct buf out = {0};
    buf_add_quoted(&out, text);
    return buf_steal(&out);
}
