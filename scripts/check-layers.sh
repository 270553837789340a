#!/bin/sh
# Includes of src/ and firmware/ point down the levels of scripts/layers.txt or stay in their folder, and name folder/file.h.
# Nothing of src/ includes from firmware/.
set -eu
cd "$(dirname "$0")/.."
find src firmware -name '*.[ch]' -o -name '*.def' | LC_ALL=C sort | xargs awk '
        FILENAME == "scripts/layers.txt" {
                if ($1 !~ /^#/) level[$2] = $1 + 0
                next
        }
        /^#include "/ {
                split(FILENAME, at, "/")
                folder = at[1] == "firmware" ? at[1] : at[2]
                split($2, name, "\"")
                if (name[2] == "build_info.h") next
                if (split(name[2], to, "/") != 2) why = "does not name folder/file.h"
                else if (to[1] == folder) next
                else if (to[1] == "firmware") why = "is of the box and not of the relay"
                else if (!(to[1] in level)) why = "is of no folder that scripts/layers.txt names"
                else if (!(folder in level)) why = "is included by a folder that scripts/layers.txt does not name"
                else if (level[to[1]] >= level[folder]) why = "points up or sideways"
                else next
                printf "%s:%d: %s %s\n", FILENAME, FNR, name[2], why
                bad = 1
        }
        END { exit bad }' scripts/layers.txt
