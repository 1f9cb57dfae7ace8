#!/usr/bin/env bash
# The house rule: who may include whom, which folder may see which library; and docs that name every command.
. "$(dirname "$0")/lib.sh"
cd "$CLOWDER_SOURCE" || exit

layers=(base store hosts engine tui)
for i in "${!layers[@]}"; do
  for ((j = i + 1; j < ${#layers[@]}; j++)); do
    found=$(grep -rnE "^#[[:space:]]*include[[:space:]]*[\"<]${layers[j]}/" "${layers[i]}" --include='*.[ch]' || true)
    [ -z "$found" ] || fail "${layers[i]} includes ${layers[j]}: $found"
  done
done

# The same inside: a room may include itself, the rooms that are named after it, and single headers.
room() { # ROOM ALLOWED...
  local found allowed='' each
  for each in "$@"; do
    case $each in
    *.h) allowed+="|${each//./\\.}" ;;
    *) allowed+="|$each/[a-z_]+\\.h" ;;
    esac
  done
  found=$(grep -rnE '^#[[:space:]]*include[[:space:]]*"(base|store|hosts|engine|tui)/' "$1" --include='*.[ch]' |
    grep -vE "include[[:space:]]*\"(${allowed#|})\"" || true)
  [ -z "$found" ] || fail "$1 includes what it should not: $found"
}
room base
room store base
room hosts/remote base
room hosts/ssh base store hosts/remote hosts # and hosts/ it: a session's steps (probe, upload) are scripts that it runs
room hosts base store hosts/remote hosts/ssh
room engine/wire base store/profile_setting.h # a row that base alone is enough for: the daemon is told it
room engine/sched base engine/wire
room engine/fleet store/profile_setting.h # pure: what is decided about places and daemons
room engine/model base hosts hosts/ssh store engine/wire engine/sched engine/fleet
room engine/record base hosts store engine/wire engine/model engine/client
room engine/files base engine/wire engine/model engine/peers
room engine/peers base engine/wire engine/model engine/record engine/files/file_job.h
room engine/profiles base hosts hosts/remote store engine/wire engine/model engine/record engine/peers engine/profiles/launchers
room engine/serve base engine/files engine/wire engine/model engine/record engine/peers engine/profiles engine/profiles/launchers
room engine/control base hosts hosts/ssh store engine/model engine/record engine/peers engine/profiles engine/profiles/launchers engine/wire
room engine/daemon base hosts/remote engine/wire engine/daemon/files
room engine/client base store engine/wire engine/control/sp_frame.h
room tui/cli base store hosts hosts/ssh engine engine/client engine/sched engine/wire tui/screen
room tui/screen base store hosts hosts/ssh engine engine/client tui/cli

# What is decided about places and daemons is pure.
found=$(grep -nE '^#[[:space:]]*include[[:space:]]*<' engine/fleet/*.[ch] | grep -vE '<(math|std[a-z]+|string)\.h>' || true)
[ -z "$found" ] || fail "the fleet includes what it should not: $found"

python3 tests/e2e/circles.py . || fail "files include each other in a circle"

# A base name says which file is meant.
twice=$(find "${layers[@]}" -name '*.[ch]' -printf '%f\n' | sort | uniq -d)
[ -z "$twice" ] || fail "two files are called: $twice"

only() { # HEADER-PATTERN FOLDER
  local folder found
  for folder in "${layers[@]}"; do
    [ "$folder" != "$2" ] || continue
    found=$(grep -rnE "^#[[:space:]]*include[[:space:]]*<$1" "$folder" --include='*.[ch]' || true)
    [ -z "$found" ] || fail "$folder sees <$1>: $found"
  done
}
only 'sqlite3.h' store
only 'libssh/' hosts
only 'nng/' engine
only 'n?curses.h' tui

for command in up down status map submit run everywhere launch with engine bench simulate log completion help version scale doctor export import host profile job; do
  grep -qE "^\.SS .*\b$command\b" docs/man/clowder.1 || fail "the manual does not explain '$command'"
done
while read -r option; do
  grep -q -- "$option" <(sed 's/\\-/-/g' docs/man/clowder.1) || fail "the manual does not explain $option"
done < <({
  for c in up scale down status map submit run everywhere launch engine bench simulate log doctor export import; do clowder help $c; done
  for c in add list show edit remove import probe trust unlock forget retry shell wake clean; do clowder help host $c; done
  for c in set list show remove; do clowder help profile $c; done
  for c in list show wait collect cancel retry save remove prune; do clowder help job $c; done
} | grep -oE -- '--[a-z-]+' | sort -u)

# Each option of a command is explained where the manual explains that command.
explained() { # HEADING COMMAND...
  local option text
  text=$(sed -n "/^\.SS clowder $1\b/,/^\.SS/p" docs/man/clowder.1 | sed 's/\\-/-/g')
  while read -r option; do
    grep -qE -- "$option([^a-z-]|\$)" <<<"$text" || fail "the manual does not explain $option where it explains '$1'"
  done < <(clowder help "${@:2}" | grep -oE -- '^ +(-., )?--[a-z-]+' | grep -oE -- '--[a-z-]+')
}
explained up up
explained profile profile set

[[ $(clowder version) =~ ^clowder\ [0-9.]+(\ \([^\ ]+\))?$ ]] || fail "version: $(clowder version)"
clowder version --json | jq -e '.version and (.commit | type == "string")' >/dev/null || fail "version: $(clowder version --json)"
grep -q "$(clowder version | awk '{ print $2 }')" CHANGELOG.md || fail "CHANGELOG does not know this version"
