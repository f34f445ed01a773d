#!/usr/bin/env bash
# Installs into an empty prefix and builds tests/example.c as a user of the library would: with pkg-config, shared and static.
#   install.sh SOURCE-FOLDER BUILD-FOLDER C-COMPILER
set -euo pipefail

source=$1
build=$2
compiler=$3
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT

cmake --install "$build" --prefix "$prefix" >"$prefix/log"
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name pobackup.pc)")
export PKG_CONFIG_PATH
library=$(pkg-config --variable=libdir pobackup)

read -ra flags <<<"$(pkg-config --cflags --libs pobackup)"
"$compiler" -Wall -Wextra -Werror "$source/tests/example.c" "${flags[@]}" -o "$prefix/shared"
LD_LIBRARY_PATH=$library "$prefix/shared"

read -ra flags <<<"$(pkg-config --static --cflags --libs pobackup)"
"$compiler" -Wall -Wextra -Werror "$source/tests/example.c" "${flags[@]/#-lpobackup/-l:libpobackup.a}" -o "$prefix/static"
"$prefix/static"

[ -x "$prefix/bin/pobackup" ]
