# The environment is the root's; sourced by run.sh, and by hand before a step is run by hand.
. "$(dirname -- "${BASH_SOURCE[0]:-$0}")/../../path.sh"
