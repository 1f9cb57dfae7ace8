/* What the probe runs on the host: POSIX sh, nothing else taken for granted. One group, so that the shell has
 * read all of it before `read` takes the newlines that follow. */
#include "hosts/probe.h"

#include "base/random.h"
#include "hosts/folder_check.h"
#include "hosts/upload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char body[] =
    "umask 077; LC_ALL=C; export LC_ALL; unset CDPATH ENV BASH_ENV\n"
    "q() { printf '%s %s=%s\\n' \"$T\" \"$1\" \"$2\"; }\n"
    "has() { command -v \"$1\" >/dev/null 2>&1; }\n"
    "lim() { if has timeout; then timeout 10 \"$@\"; else \"$@\"; fi </dev/null 2>/dev/null; }\n"
    "first() { head -n 1 | cut -c 1-180; }\n"
    "echo; q begin 1\n" /* login files may have left a line without its end */
    "read -r x; q pong 1; read -r x; q pong 2; read -r x; t=$(date +%s.%N 2>/dev/null)\n"
    "case $t in *[!0-9.]*) t=$(date +%s).5;; esac; q clock \"$t\"\n" /* BusyBox knows no %N */
    /* runtimes: asking them takes long, so packages are looked up in their files */
    "field() { while read -r k v x; do [ \"$k\" = \"$1\" ] && { printf '%s' \"$v\"; break; }; done <\"$2\"; "
    "}\n"
    "if has Rscript; then v=$(lim Rscript --version 2>&1 | first); v=${v#*version }; v=${v%% *}; m=- x=-\n"
    "b=$(lim R RHOME | first); for d in \"$HOME\"/R/*-library/\"${v%.*}\" \"$b/site-library\" "
    "/usr/local/lib/R/site-library\\\n"
    " /usr/lib/R/site-library \"$b/library\"; do [ -r \"$d/mirai/DESCRIPTION\" ] || continue\n"
    "m=$(field Version: \"$d/mirai/DESCRIPTION\")\n"
    "[ -r \"$d/nanonext/DESCRIPTION\" ] && x=$(field Version: \"$d/nanonext/DESCRIPTION\"); break; done\n"
    "q r \"$v $m\"; q nanonext \"$x\"; fi\n"
    "for p in python3 python; do b=$(command -v $p) || continue; v=$(lim $p --version | first); v=${v#Python "
    "}; n=${v%.*}; m=-\n"
    "b=${b%/bin/*}; for d in \"$HOME/.local/lib/python$n/site-packages\" "
    "\"$b/lib/python$n/site-packages\"\\\n"
    " \"$b/local/lib/python$n/dist-packages\" \"$b/lib/python3/dist-packages\"; do\n"
    "for f in \"$d\"/distributed-*.dist-info/METADATA \"$d\"/distributed-*.egg-info/PKG-INFO "
    "\"$d\"/distributed-*.egg-info; do\n"
    "[ -f \"$f\" ] && m=$(field Version: \"$f\") && break 2; done; done; q python \"$v $m\"; break; done\n"
    "m=$(uname -m); q system \"$(uname -s)\"; q kernel \"$(uname -r)\"; q arch \"$m\"\n"
    "P=; for p in $N; do [ \"${p%%:*}\" = \"$m\" ] && P=${p#*:} && break; done\n"
    "q bits \"$(getconf LONG_BIT 2>/dev/null)\"; q user \"$(id -un)\"; q shell \"$SHELL\"; q home \"$HOME\"\n"
    "if [ -r /etc/os-release ]; then ( . /etc/os-release; q os \"$PRETTY_NAME\" )\n"
    "elif has sw_vers; then q os \"$(sw_vers -productName) $(sw_vers -productVersion)\"; fi\n"
    "n=$(nproc 2>/dev/null) || n=$(getconf _NPROCESSORS_ONLN 2>/dev/null) || n=$(sysctl -n hw.ncpu "
    "2>/dev/null)\n"
    "q cores \"$n\"\n"
    "if [ -r /proc/meminfo ]; then while read -r k v u; do case $k in MemTotal:) q mem_total \"$v $u\";;\n"
    "MemAvailable:) q mem_available \"$v $u\";; esac; done </proc/meminfo\n"
    "else n=$(sysctl -n hw.memsize 2>/dev/null) || n=$(sysctl -n hw.physmem 2>/dev/null); q mem_total \"$n "
    "B\"; fi\n"
    "if [ -r /proc/loadavg ]; then read -r a b </proc/loadavg; q load \"$a\"\n"
    "else q load \"$(sysctl -n vm.loadavg 2>/dev/null | cut -d ' ' -f 2)\"; fi\n"
    "if [ -r /proc/uptime ]; then read -r a b </proc/uptime; q uptime \"${a%%.*}\"; fi\n"
    /* the card that we came in at: it wakes the machine */
    "( set -- $SSH_CONNECTION; [ -n \"$3\" ] && PATH=$PATH:/sbin:/usr/sbin && ip -o addr show to \"$3\" 2>/dev/null | "
    "{\n"
    "read -r n i x; i=${i%%@*}; [ -r \"/sys/class/net/$i/address\" ] && read -r m <\"/sys/class/net/$i/address\" &&\n"
    "q mac \"$m\"; } )\n"
    /* where the program goes; nobody else may put another in its place */
    FOLDER_CHECK "\n"
    "c=${C:-$HOME/.cache}/clowder; q cache_dir \"$c\"\n"
    "if e=$( { mkdir -p \"$c\" && chmod 700 \"$c\" && echo x >\"$c/.probe.$$\" && rm -f \"$c/.probe.$$\"; } "
    "2>&1 ); then\n"
    "q cache ok; else q cache \"no $(printf '%s' \"$e\" | tail -n 1 | cut -c 1-180)\"; rm -f "
    "\"$c/.probe.$$\" 2>/dev/null; fi\n"
    "if [ -d \"$c\" ] && { open_folder \"$c\" || open_folder \"$HOME\"; }; "
    "then\n"
    "q cache_open \"${d:-/}\"; fi\n"
    "d=$c; while [ ! -d \"$d\" ] && [ -n \"$d\" ]; do d=${d%/*}; done\n"
    "df -Pk \"${d:-/}\" 2>/dev/null | { read -r x; read -r dev total used avail x; q disk_free_kb "
    "\"$avail\"; }\n"
    "find \"$c\" -name '.up-*' -mtime +0 -exec rm -f {} + 2>/dev/null\n"
    /* programs of other versions that nobody has asked for lately */
    "[ -n \"$P\" ] && [ -f \"$c/$P\" ] && touch -c \"$c/$P\" 2>/dev/null\n"
    "find \"$c\" -name 'clowder-daemon-*' -mtime +30 -exec rm -f {} + 2>/dev/null\n"
    /* what of ours lies and runs there; X: 1 takes other versions away, 2 all, and ends what runs */
    "n=0 b=0 r=0 g=0 k=0 e=0 t=; for f in \"$c\"/clowder-daemon-*; do [ -f \"$f\" ] || continue\n"
    "s=$(wc -c <\"$f\" 2>/dev/null) || continue; o=${f##*/}\n"
    "if { [ \"$X\" = 2 ] || { [ \"$X\" = 1 ] && [ \"$o\" != \"$P\" ]; }; } && rm -f \"$f\"; then r=$((r+1)) "
    "g=$((g+s))\n"
    "else n=$((n+1)) b=$((b+s)); fi; done; q programs \"$n $b\"\n"
    "if [ -n \"$X\" ]; then w=$(cd \"$c\" 2>/dev/null && pwd -P)\n"
    "for p in $(ls -l /proc/[0-9]*/exe 2>/dev/null | grep -F \" -> $w/clowder-daemon-\" | "
    "sed -n 's,.* /proc/\\([0-9]*\\)/exe -> .*,\\1,p'); do\n"
    "case $(tr '\\0' ' ' <\"/proc/$p/cmdline\" 2>/dev/null) in '' | *\" --mux \"*) continue;; esac\n"
    "if [ \"$X\" = 2 ] && kill \"$p\" 2>/dev/null; then e=$((e+1)) t=\"$t $p\"; else k=$((k+1)); fi; done\n"
    "[ -n \"$t\" ] && sleep 1 && kill -9 $t 2>/dev/null\n"
    "q cleaned \"$r $g $k $e\"; fi\n"
    "ours() { set -- $(ls -ln \"$1\" 2>/dev/null); [ \"$3\" = \"$(id -u)\" ] || return 1; case $1 in "
    "?????w*|????????w*) return 1;; esac; }\n"
    "if [ -n \"$P\" ] && [ -f \"$c/$P\" ] && ours \"$c/$P\"; then\n"
    "s=$(sha256sum <\"$c/$P\" 2>/dev/null) || s=$(shasum -a 256 <\"$c/$P\" 2>/dev/null) ||\n"
    "s=$(openssl dgst -sha256 -r <\"$c/$P\" 2>/dev/null); q program \"${s%% *}\"; fi\n"
    /* our sshd process, and the one of a session that was cut */
    "stamp() { k=; [ -r \"/proc/$1/stat\" ] || return 1; read -r n <\"/proc/$1/comm\" || return 1\n"
    "case $n in sshd*|dropbear*) ;; *) return 1;; esac\n"
    "read -r k <\"/proc/$1/stat\" || return 1; k=${k##*) }; k=$(set -- $k; shift 19; printf '%s' \"$1\"); }\n"
    "if stamp \"$PPID\"; then q sshd \"$PPID $k\"; fi\n"
    "if [ \"$S\" != 0 ] && [ \"$S\" != \"$PPID\" ] && stamp \"$S\" && [ \"$k\" = \"$K\" ] && kill \"$S\" "
    "2>/dev/null; then\n"
    "q old_session ended; fi\n"
    /* GPUs */
    "if has nvidia-smi; then lim nvidia-smi --query-gpu=index,name,memory.total,driver_version,"
    "utilization.gpu,memory.used,temperature.gpu,power.draw,uuid --format=csv,noheader,nounits | "
    "while read -r l; do q nvidia \"$l\"; done\n"
    "lim nvidia-smi --query-compute-apps=gpu_uuid,pid,used_memory --format=csv,noheader,nounits | head -n 64 | "
    "while IFS=', ' read -r u p m x; do case $p in '' | *[!0-9]*) continue;; esac\n"
    "set -- $(ls -ld \"/proc/$p\" 2>/dev/null); q gpu_process \"$u $p ${m:--} ${3:--}\"; done; fi\n"
    "if has rocm-smi; then q rocm \"$(lim rocm-smi --showproductname --showmeminfo vram --showuse --showtemp "
    "--showpower --showdriverversion "
    "--json |"
    " tr -d '\\n' | cut -c 1-12000)\"; fi\n"
    "for d in /sys/bus/pci/devices/*; do [ -r \"$d/class\" ] || continue; read -r k <\"$d/class\"; case $k "
    "in\n"
    "0x0300*|0x0302*|0x0380*|0x1200*) read -r v <\"$d/vendor\"; read -r n <\"$d/device\"; q pci \"$v $n "
    "${d##*/}\";;\n"
    "esac; done\n"
    "q end 1; exit 0\n";

void probe_token(char token[PROBE_TOKEN_SIZE])
{
    unsigned char bytes[16];
    random_fill(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(token + 2 * i, 3, "%02x", bytes[i]);
}

/* Only letters, digits, '.', '_' and '-' go into the script, and between quotes ':' and ' ': everything we put there is
 * of that kind. */
#define PLAIN "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-"

static const char *safe(const char *text, const char *characters)
{
    return text[strspn(text, characters)] ? "" : text;
}

/* As a word of the shell: quoted, but for the home that it may begin with. */
static char *cache_word(const char *cache)
{
    bool is_at_home = strncmp(cache, "~/", 2) == 0;
    char *quoted = upload_quote(is_at_home ? cache + 2 : cache);
    char *word = is_at_home ? mem_printf("\"$HOME\"/%s", quoted) : *cache ? mem_strdup(quoted) : mem_strdup("");
    free(quoted);
    return word;
}

char *probe_script(const char *token, const char *programs, const char *cache, enum probe_clean clean, int64_t old_pid,
    const char *old_start)
{
    static const char *const levels[] = {"", "1", "2"};
    char *word = cache_word(cache);
    char *script = mem_printf("{ T=%s; N='%s'; S=%lld; K=%s; C=%s; X=%s\n%s}\n", safe(token, PLAIN),
        safe(programs, PLAIN ": "), (long long)old_pid, safe(old_start, PLAIN), word, levels[clean], body);
    free(word);
    return script;
}
