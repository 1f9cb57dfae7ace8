#!/usr/bin/env bash
# Installed as packagers do: programs, library, headers, manual; a program of somebody else's builds against it.
. "$(dirname "$0")/lib.sh"

cmake --install "$CLOWDER_BUILD" --prefix "$work/usr" >/dev/null
for file in bin/clowder libexec/clowder/clowder-daemon include/clowder.h include/clowder_worker.h share/man/man1/clowder.1 \
  share/bash-completion/completions/clowder lib/python3/dist-packages/clowder.py share/clowder/clowder_worker.R; do
  [ -s "$work/usr/$file" ] || fail "$file is not installed"
done
other=clowder-daemon-aarch64 # where it was built
if [ -e "$bin/$other" ]; then
  cmp "$bin/$other" "$work/usr/libexec/clowder/$other" || fail "the daemon for other machines is not installed"
fi
if file "$bin/clowder-daemon" 2>/dev/null | grep -q static || ! ldd "$bin/clowder-daemon" >/dev/null 2>&1; then
  # The daemon that travels runs where there is nothing at all.
  mkdir empty
  cp "$work/usr/libexec/clowder/clowder-daemon" empty/
  if [ "$(id -u)" -eq 0 ]; then
    expect 0 chroot empty /clowder-daemon --version
  fi
fi

PKG_CONFIG_PATH=$(dirname "$(find "$work/usr" -name clowder.pc)")
export PKG_CONFIG_PATH
cat >user.c <<'C'
#include <clowder.h>
#include <clowder_worker.h>
#include <stdio.h>
int main(void)
{
    printf("%s\n", clowder_version());
    return 0;
}
C
# shellcheck disable=SC2046
cc -Wall -Wextra -Werror user.c $(pkg-config --cflags --libs clowder) -o user
expect 0 env LD_LIBRARY_PATH="$(pkg-config --variable=libdir clowder)" ./user
prints "$(pkg-config --modversion clowder)"
# shellcheck disable=SC2046
cc user.c $(pkg-config --cflags clowder) "$(pkg-config --variable=libdir clowder)/libclowder.a" -ljansson -lpthread -lm -o user-static
expect 0 ./user-static
mkdir cm && mv user.c cm/
cat >cm/CMakeLists.txt <<'C'
cmake_minimum_required(VERSION 3.25)
project(user C)
find_package(clowder 0.1 REQUIRED)
add_executable(user user.c)
target_link_libraries(user PRIVATE clowder::clowder)
C
cmake -G Ninja -S cm -B cm/build -DCMAKE_PREFIX_PATH="$work/usr" >/dev/null && cmake --build cm/build >/dev/null
expect 0 cm/build/user
# Only the public names are in the library.
nm -D --defined-only "$(pkg-config --variable=libdir clowder)/libclowder.so" | awk '{ print $3 }' | grep -v '^clowder_' && fail "private names are exported"

# The installed programs find each other.
PATH=$work/usr/bin:$PATH
unset CLOWDER_LIBEXEC
expect 0 clowder map -n 1 -- echo ::: installed
prints installed
expect 0 env PYTHONPATH="$work/usr/lib/python3/dist-packages" /usr/bin/python3 -c '
import clowder
with clowder.Executor(daemons=1) as pool:
    print(pool.submit(lambda x: x + 1, 41).result())'
prints 42

if command -v dpkg-deb >/dev/null && command -v dpkg-shlibdeps >/dev/null && command -v file >/dev/null; then
  (cd "$CLOWDER_BUILD" && cpack -B "$work/packages" >/dev/null)
  dpkg-deb -c "$work"/packages/*.deb >deb.list
  grep -q ./usr/libexec/clowder/clowder-daemon deb.list || fail "the DEB lacks the daemon"
  [ ! -e "$bin/$other" ] || grep -q "./usr/libexec/clowder/$other" deb.list || fail "the DEB lacks the daemon for other machines"
  grep -q ./usr/lib/python3/dist-packages/clowder.py deb.list || fail "the DEB lacks the Python module"
  dpkg-deb -f "$work"/packages/*.deb Depends | grep -q libnng || fail "the DEB states no dependencies"
  dpkg-deb -f "$work"/packages/*.deb Depends | grep -q openssh-client || fail "the DEB does not want ssh"
  tar tzf "$work"/packages/*.tar.gz >tgz.list
  grep -q bin/clowder tgz.list || fail "the TGZ lacks the program"
fi
