# What scripts/run and scripts/test share; sourced by both. Sets up a Debian or Ubuntu machine: system packages and a
# virtual environment. Everything is skipped that is there already, so that both may be run again at no cost.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
: "${PYENV_ROOT:=${HOME:-/root}/.pyenv}"        # HOME: a service may have none

say() { printf '%s\n' "scripts: $*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else return 1; fi
}

# apt_packages NAME...: install what is missing; what can't be had is said, and the rest goes on without it.
apt_packages() {
    command -v dpkg-query >/dev/null || { say "no apt here; wanted: $*"; return 0; }
    local missing=() name
    for name in "$@"; do
        dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
    done
    [ ${#missing[@]} = 0 ] && return 0
    say "installing ${missing[*]}"
    as_root apt-get update -qq >&2 || true
    apt_install "${missing[@]}" && return 0
    for name in "${missing[@]}"; do                 # one that this release does not have must not keep the others away
        apt_install "$name" || say "could not install $name; going on without"
    done
}

apt_install() { as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1; }

# a_python: the newest Python 3.8 or later that can be called (PyAV has no wheel for older ones); the system's is installed where there is none.
a_python() {
    find_python && return 0
    apt_packages python3 python3-venv
    find_python && return 0
    say "no Python 3.8 or newer found; set PYTHON=/path/to/python3"; return 1
}

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 "$PYENV_ROOT"/versions/3.1[0-9]*/bin/python3 /usr/bin/python3; do
        [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null &&
            { "$candidate" -c 'import sys; print(sys.executable)'; return; }
    done
    return 1
}

# python36: a Python 3.6, the boards' own, or nothing.
python36() {
    local candidate
    for candidate in "$(command -v python3.6 || true)" "$PYENV_ROOT"/versions/3.6.*/bin/python3.6; do
        [ -x "$candidate" ] && "$candidate" -c '' 2>/dev/null && { echo "$candidate"; return; }
    done
    return 1
}

# quietly COMMAND...: show what it said only if it failed.
quietly() {
    local said
    said=$("$@" 2>&1) || { printf '%s\n' "$said" >&2; return 1; }
}

# environment FOLDER PYTHON EXTRAS: a virtual environment with edgecam in it, renewed when setup.py changed, the clone was moved
# or its Python is gone. The one that was there comes back if the new one can't be made: without a network it still works.
environment() {
    local folder=$1 python=$2 extras=$3 stamp
    stamp="$("$python" -V 2>&1) $extras $(cat "$root/setup.py" | cksum) $root"
    [ "$(cat "$folder/edgecam.stamp" 2>/dev/null)" = "$stamp" ] && [ -x "$folder/bin/python" ] && return 0
    say "making $folder with $("$python" -V 2>&1) (a minute or two)"
    if [ -e "$folder.before" ]; then rm -rf "$folder"; elif [ -e "$folder" ]; then mv "$folder" "$folder.before"; fi   # the first: interrupted
    if installed "$folder" "$python" "$extras"; then
        echo "$stamp" > "$folder/edgecam.stamp"
        rm -rf "$folder.before"
        return 0
    fi
    rm -rf "$folder"
    if [ -e "$folder.before" ]; then mv "$folder.before" "$folder"; fi
    say "the installation into $folder failed; the reason stands above (is there a network?)"
    return 1
}

# installed FOLDER PYTHON EXTRAS: make it; each step needs the one before.
installed() {
    local folder=$1 python=$2 extras=$3 pip="pip"
    if "$python" -c 'import sys; sys.exit(sys.version_info >= (3, 7))'; then pip="pip==21.3.1"; fi      # the last that knows 3.6's wheels
    "$python" -m venv "$folder" >/dev/null 2>&1 || { rm -rf "$folder"; apt_packages python3-venv; "$python" -m venv "$folder" >&2; } || return
    quietly "$folder/bin/python" -m pip install --upgrade "$pip" &&      # by itself: an old pip would take the wrong setuptools
        quietly "$folder/bin/python" -m pip install --upgrade setuptools wheel &&
        quietly "$folder/bin/python" -m pip install --editable "$root[$extras]" &&
        "$folder/bin/python" -c 'import edgecam.cli'
}
