# Sets the environment; sourced by run.sh, and by hand before a step is run by hand: . ./path.sh
#
# Makes .venv from requirements.txt on first use and whenever that file has changed. GRAFT_DEV=1
# adds requirements-dev.txt; PYTHON names the interpreter to make it with.

# .venv is finished when .venv/.made holds what this prints; written last, so half a .venv is none.
graft_wanted() {
  printf '%s\n' "$1"
  cat "$1/requirements.txt"
  if [ -n "${GRAFT_DEV:-}" ] || [ -e "$1/.venv/.dev" ]; then cat "$1/requirements-dev.txt"; fi
}

graft_is_made() {
  [ -x "$1/.venv/bin/python" ] && graft_wanted "$1" | cmp -s - "$1/.venv/.made"
}

graft_python() {
  for graft_candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if "$graft_candidate" -c \
      'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
      echo "$graft_candidate"
      return 0
    fi
  done
  echo "path.sh: ${PYTHON:-python3}: Python 3.11, 3.12 or 3.13 is needed" \
    "(install it, or name it: PYTHON=/path/to/python3.11)" >&2
  return 1
}

# One shell at a time where flock exists; the others find .venv made when it is their turn.
graft_make() (
  cd "$1" || exit 1
  if command -v flock >/dev/null; then
    exec 9>.venv.lock && flock 9
  fi
  if graft_is_made "$1"; then exit 0; fi
  python=$(graft_python) || exit 1
  log=.venv.log
  file=requirements.txt
  if [ -n "${GRAFT_DEV:-}" ] || [ -e .venv/.dev ]; then file=requirements-dev.txt; fi
  if [ -L .venv ]; then rm .venv; fi   # what it leads to is not ours to clear
  echo "path.sh: making .venv from $file, once; a few minutes" >&2
  if [ -e .venv/.made ] && [ "$(head -n 1 .venv/.made)" = "$1" ] && [ -x .venv/bin/python ]; then
    rm -f .venv/.made   # a whole .venv of older requirements: it need only be brought up to date
  elif ! "$python" -m venv --clear .venv >"$log" 2>&1; then
    echo "path.sh: $python -m venv failed, see $log" \
      "(Debian and Ubuntu: apt-get install python3-venv)" >&2
    exit 1
  fi
  if ! .venv/bin/python -m pip install -q --disable-pip-version-check -r "$file" >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    echo "path.sh: $file: pip could not install it, see $log" >&2
    exit 1
  fi
  if [ "$file" = requirements-dev.txt ]; then : >.venv/.dev; fi
  graft_wanted "$1" >.venv/.made.tmp && mv .venv/.made.tmp .venv/.made && rm -f "$log"
)

graft_root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]:-$0}")" && pwd -P)
if ! graft_is_made "$graft_root" && ! graft_make "$graft_root"; then
  return 1   # with set -e this ends a recipe, and by hand it leaves the shell as it was
fi
unset -f graft_wanted graft_is_made graft_python graft_make

case ":$PATH:" in
  *":$graft_root/.venv/bin:$graft_root/utils:"*) ;;
  *) export PATH="$graft_root/.venv/bin:$graft_root/utils:$PATH" ;;
esac
export VIRTUAL_ENV="$graft_root/.venv"
export PYTHONPATH="$graft_root"
export PYTHONSAFEPATH=1        # a script's folder must not hide modules: utils/parallel/queue.py
export PYTHONUTF8=1
export LC_ALL=C.UTF-8          # sort and comm go by code point, whatever the user's language
export OMP_NUM_THREADS=1       # jobs run side by side; --num-threads gives one more threads
export NUMBA_CACHE_DIR="$graft_root/.venv/numba"   # compiled once for all recipes
unset graft_root
