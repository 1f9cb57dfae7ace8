/* Shell functions for scripts that run on a host: may others put something else in the place of a folder? Without
 * single quotes, newlines or exclamation marks, for scripts that are quoted again for a login shell of any kind. */
#ifndef HOSTS_FOLDER_CHECK_H
#define HOSTS_FOLDER_CHECK_H

/* open_folder FOLDER: true, with the folder's name in $d, when it or one above it is not ours or root's, or others may
 * write there; not so a group that is ours alone, and a folder where what is not his cannot be touched. It goes up by
 * "..", so that with "." it judges the very folder that the shell is in, whatever its name leads to meanwhile.
 * own_group GID: nobody else is in that group, neither as one of its members nor by their first group. Where the list
 * of users cannot be had, or we are not in it, nobody knows. */
#define FOLDER_CHECK                                                                                                   \
    "users() { if command -v timeout >/dev/null 2>&1; then timeout 10 getent passwd; else getent passwd; fi "          \
    "</dev/null 2>/dev/null; }; "                                                                                      \
    "own_group() { [ \"$1\" = \"$(id -g)\" ] && [ \"$(id -gn)\" = \"$(id -un)\" ] || return 1; "                       \
    "m=$(getent group \"$1\" 2>/dev/null | cut -d : -f 4); [ -z \"$m\" ] || [ \"$m\" = \"$(id -un)\" ] || return 1; "  \
    "m=$(users) || return 1; printf \"%s\\n\" \"$m\" | ( s=1; while IFS=: read -r n x u g x; do "                      \
    "[ \"$g\" = \"$1\" ] || continue; [ \"$u\" = \"$(id -u)\" ] || exit 1; s=0; done; exit $s ); }; "                  \
    "open_folder() { p=$1; d=$(cd \"$p\" 2>/dev/null && pwd -P); case $d in /*) ;; *) d=$p; return 0;; esac; "         \
    "while :; do set -- $(ls -ldn \"$p/.\" 2>/dev/null); g=$4; "                                                       \
    "[ \"$3\" = 0 ] || [ \"$3\" = \"$(id -u)\" ] || return 0; "                                                        \
    "case $1 in d????????[tT]*) ;; d???????w*|d????w????+*) return 0;; d????w*) own_group \"$g\" || return 0;; esac; " \
    "[ -n \"$d\" ] || return 1; d=${d%/*}; p=$p/..; done; }; "

/* The status of such a script that did not go into an open folder. */
enum { FOLDER_OPEN = 123 };
/* enter FOLDER: goes there, or says why not and ends the script. */
#define FOLDER_ENTER                                                                                                   \
    FOLDER_CHECK                                                                                                       \
    "enter() { cd \"$1\" || exit 1; if open_folder .; then printf \"%s\" \"${d:-/}\" >&2; exit 123; fi; }; "

#endif
