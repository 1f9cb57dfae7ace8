#!/usr/bin/env bash
# The inventory without a host in reach: add, list, filters, edit, import, export, remove, and what bad input gets.
. "$(dirname "$0")/lib.sh"
printf 'Host oak\n  HostName 10.0.0.7\n  User ci\n  Port 2222\nHost elm\n  HostName elm.lab\nHost *\n  User me\n' >"$work/ssh_config"
export CLOWDER_SSH_CONFIG=$work/ssh_config

expect 0 clowder host list --json
prints '{"hosts":[]}'
expect 5 clowder host import </dev/null # says what it would add, and asks
says 'yes'
expect 0 clowder host list --json
prints '{"hosts":[]}'
expect 0 clowder host import --yes
expect 0 clowder host import --yes # those that are there stay as they are
expect 0 clowder host add birch ci@10.0.4.17:2222 --tag rack2 --mac 52-54-00-12-34-56 --note 'in the cellar' --jump oak
expect 0 clowder host list --json
jq -e '[.hosts[].name] == ["birch", "elm", "oak"] and (.hosts[0].tags == ["rack2"])' out >/dev/null || fail "list: $(cat out)"
expect 0 clowder host list tag:rack2 --names
prints 'birch'
expect 0 clowder host list '!birch' --names
prints 'elm
oak'
expect 0 clowder host list tag:rack --names # a tag is a word
prints ''
expect 0 clowder host list user:ci 'note:in the' --names
prints 'birch'
expect 0 clowder host list
grep -qxE 'STATE +HOST +ADDRESS +DAEMONS +CORES +LOAD +MEMORY +GPU +RTT +TAGS +NOTE' out || fail "list: $(cat out)"
grep -qxE '\. new +birch +ci@10.0.4.17:2222 via oak( +-){6} +rack2 +in the cellar' out || fail "list: $(cat out)"
expect 0 clowder host list nothing --json
prints '{"hosts":[]}'
expect 0 clowder host show birch
grep -q '52:54:00:12:34:56' out || fail "show: $(cat out)"
expect 0 clowder host edit birch --no-jump --no-note --no-tag rack2 --tag gpu --name beech
expect 0 clowder host show beech --json
jq -e '.jump == "" and .note == "" and .tags == ["gpu"]' out >/dev/null || fail "edit: $(cat out)"

# Profiles over hosts, and the whole inventory out and in again.
expect 0 clowder profile set gpu --on beech:2 --on oak:4 -n 1 --env MODEL=big --setup 'mkdir -p /tmp/x' --idletime 10m
expect 0 clowder profile show gpu --json
jq -e '.setup | length == 1' out >/dev/null || fail "profile: $(cat out)"
clowder export >first.json
XDG_DATA_HOME=$work/other expect 0 clowder import first.json
XDG_DATA_HOME=$work/other clowder export >second.json
same first.json second.json
expect 5 clowder import first.json
one_line
expect 0 clowder import --replace first.json
clowder export >third.json
same first.json third.json

# Bad input: one line, the right status, nothing changed.
bad() { # STATUS COMMAND...
  expect "$@"
  one_line
}
bad 2 clowder host add 'bad name'
bad 2 clowder host add x user@host:99999
bad 2 clowder host add x --mac 12:34
bad 2 clowder host add local
bad 5 clowder host add oak
bad 4 clowder host show oek
says "did you mean 'oak'"
bad 4 clowder host edit nobody --tag x
bad 2 clowder host edit oak
bad 5 clowder host remove oak </dev/null
bad 4 clowder profile set gpu --on nobody:1
bad 2 clowder profile set gpu --on oak:many
bad 4 clowder profile show nothing
bad 2 clowder host frobnicate
bad 4 clowder up --on nobody:1
bad 4 clowder job show 4711
bad 2 clowder host list 'cores>>8'
printf '{"clowder":1,"hosts":{"a b":{}}}' >broken.json
bad 2 clowder import broken.json
printf 'not json' >broken.json
bad 2 clowder import broken.json
clowder export >fourth.json
same first.json fourth.json

expect 0 clowder host remove oak --yes
expect 0 clowder profile show gpu --json
jq -e '[.hosts[].host] == ["beech"]' out >/dev/null 2>&1 || jq -e '.hosts | has("oak") | not' out >/dev/null || fail "remove: $(cat out)"
