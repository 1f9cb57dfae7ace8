#!/usr/bin/env bash
# Every command and option that a hint, a help text, the manual or a document names is one.
. "$(dirname "$0")/lib.sh"
python3 "$CLOWDER_SOURCE/tests/e2e/words.py" "$CLOWDER_SOURCE" || fail "words that are no commands"
