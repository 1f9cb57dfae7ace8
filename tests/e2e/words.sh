#!/usr/bin/env bash
# Every command and option that a hint, a help text, the manual or a document names is one.
. "$(dirname "$0")/lib.sh"
python3 "$CLOWDER_SOURCE/tests/e2e/words.py" "$CLOWDER_SOURCE" || fail "words that are no commands"

# The list of requests in docs/protocol.md is the engine's own.
needs nngcat:nng-utils
clowder engine start >/dev/null
nngcat --req --dial "ipc://$XDG_RUNTIME_DIR/clowder/engine.sock" --raw --data '{"op":"help"}' >help.json
jq -r '.ops[] | "| \(.op) | \(.fields | if . == "" then "" else . + " " end)| \(.answer | if . == "" then "" else . + " " end)|"' help.json >wanted
sed -n '/^| op | fields | answer |/,/^$/p' "$CLOWDER_SOURCE/docs/protocol.md" | sed '1,2d;$d' >written
diff written wanted || fail "the list of requests in docs/protocol.md is not the engine's (> is)"
expect 0 nngcat --req --dial "ipc://$XDG_RUNTIME_DIR/clowder/engine.sock" --raw --data '{"op":"halp"}'
jq -e '.hint | startswith("known: ping help status up")' out >/dev/null || fail "no hint: $(cat out)"
