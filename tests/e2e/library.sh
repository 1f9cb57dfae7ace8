#!/usr/bin/env bash
# libclowder from a C program of somebody else's: everything that clowder.h promises.
. "$(dirname "$0")/lib.sh"
expect 0 "$CLOWDER_TEST_LIBRARY"
cat out
