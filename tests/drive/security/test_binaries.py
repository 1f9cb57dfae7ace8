"""How the programs are built."""
import re
import subprocess

import pytest

from programs import BIN, BUILD, is_sanitized

FILES = [BIN / "clowder", BIN / "clowder-daemon", *sorted((BUILD / "lib").glob("libclowder.so.*.*"))[:1]]
HAS = [("-hW", "Type: *DYN", "position independent"), ("-lW", "GNU_STACK.* RW ", "without a stack that can be executed"),
       ("-lW", "GNU_RELRO", "RELRO"), ("-dW", "BIND_NOW|Flags:.*NOW", "bound at once")]
HAS_NOT = [("-lW", "LOAD.* RWE ", "a segment that is written and executed"), ("-dW", "TEXTREL", "relocated in its code")]

pytestmark = pytest.mark.skipif(is_sanitized(), reason="a sanitizer build")


def output_of(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_program_is_hardened_by_the_linker(file):
    missing = [what for how, pattern, what in HAS if not re.search(pattern, output_of("readelf", how, file))]
    harmful = [what for how, pattern, what in HAS_NOT if re.search(pattern, output_of("readelf", how, file))]
    assert not missing and not harmful


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_program_is_hardened_by_the_compiler(file):
    symbols = output_of("nm", file) + output_of("nm", "-D", file)
    assert "__stack_chk_fail" in symbols
    assert re.search("__[a-z]+_chk", symbols), "not fortified"


def test_there_are_three_of_them():
    assert len(FILES) == 3
