# One function of a recipe for several languages at a time; sourced by run.sh.
#
#   features() { steps/features/make_mfcc.py "data/$1/train"; }
#   side_by_side 2 features en fr cy
#
# side_by_side N function item...: calls the function with each item in a shell of its own, N at a
# time, each with its share of the cores. Their lines on stderr begin with [item]. If one fails no
# other begins, and when those that had begun have ended the recipe ends with status 1; stopped by
# a signal it stops all of them. With N = 1 it is a plain loop.

side_by_side() {
  local most=$1 each=$2 item pid signal pids=() failed=0
  shift 2
  if ((most <= 1 || $# == 1)); then
    for item in "$@"; do "$each" "$item"; done
    return
  fi
  set -m   # each is a group of processes, that can be stopped with all it has started
  for signal in INT TERM HUP; do trap "_stop_all $signal" "$signal"; done
  for item in "$@"; do
    while (($(jobs -rp | wc -l) >= most)); do
      wait -n || (($? == 127)) || failed=1
    done
    if ((failed)); then break; fi
    (
      export GRAFT_THREADS=${GRAFT_THREADS:-$((($(nproc) + most - 1) / most))}
      "$each" "$item"
    ) 2> >(sed -u "s|^|[$item] |" >&2) &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
  trap - INT TERM HUP
  set +m
  if ((failed)); then exit 1; fi
}

_stop_all() {
  trap - "$1"
  for pid in $(jobs -p); do kill -s TERM -- "-$pid"; done 2>/dev/null
  wait
  kill -s "$1" $$
}
