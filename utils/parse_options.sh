# Options and stages of a recipe; sourced by run.sh.
#
#   stage=0          # first stage to run
#   stop_stage=99    # last stage to run
#   targets="fr cy"  # one data/<target> each
#   . utils/parse_options.sh
#   parse_options "$@"
#   if begin 2 "features"; then ...; fi
#
# parse_options: --targets "fr" or --targets=fr sets the variable of that name (dashes are
# underscores), and only one that is there already. --help prints the recipe's head comment, its
# options with their comments and defaults, and its stages. (Its locals begin with _po_, as they hide
# the recipe's variables of the same name.)
# demand systems tri3b: refuses to go on if that word is not one of the option's.
# begin N "title": whether stage N is to run; says so on stderr. Where the recipe has a variable exp,
# each stage that ends, well or not, leaves a line in $exp/stages.tsv: number, title, start and end
# in seconds since 1970.

parse_options() {
  local _po_recipe=${BASH_SOURCE[1]} _po_option _po_name _po_value
  # called as egs/x/run.sh, it has gone there
  if [[ ! -e $_po_recipe ]]; then _po_recipe=${_po_recipe##*/}; fi
  # called from elsewhere, gone to its own
  if [[ ! -f $_po_recipe ]]; then _po_recipe=./${_po_recipe##*/}; fi
  while [[ $# -gt 0 ]]; do
    _po_option=$1
    shift
    if [[ $_po_option == -h || $_po_option == --help ]]; then
      _recipe_help "$_po_recipe"
      exit 0
    fi
    _po_name=${_po_option%%=*}
    _po_name=${_po_name#--}
    _po_name=${_po_name//-/_}
    if [[ $_po_option != --* || ! $_po_name =~ ^[a-z][a-z0-9_]*$ ]] \
      || ! _is_option "$_po_recipe" "$_po_name"; then
      _refuse "$_po_recipe" "no such option: ${_po_option%%=*} (try --help)"
    fi
    if [[ $_po_option == *=* ]]; then
      _po_value=${_po_option#*=}
    elif [[ $# -eq 0 || $1 == --* ]]; then
      _refuse "$_po_recipe" "$_po_option needs a value ($_po_option=value if it begins with --)"
    else
      _po_value=$1
      shift
    fi
    if [[ ${!_po_name} == true || ${!_po_name} == false ]] \
      && [[ $_po_value != true && $_po_value != false ]]; then
      _refuse "$_po_recipe" "${_po_option%%=*}: expected true or false, not $_po_value"
    fi
    if [[ $_po_name == stage || $_po_name == stop_stage ]] && [[ ! $_po_value =~ ^[0-9]+$ ]]; then
      _refuse "$_po_recipe" \
        "${_po_option%%=*}: expected the number of a stage, not $_po_value (try --help)"
    fi
    printf -v "$_po_name" '%s' "$_po_value"
  done
  local _po_last
  _po_last=$(_recipe_stages "$_po_recipe" | tail -n 1)
  if [[ -n $_po_last ]] && ((10#${stage:-0} > 10#${_po_last%%$'\t'*})); then
    _refuse "$_po_recipe" "--stage $stage: the last one is ${_po_last%%$'\t'*}"
  fi
}

demand() {
  local _po_words=${!1}
  if [[ " $_po_words " != *" $2 "* ]]; then
    _refuse "${BASH_SOURCE[1]}" "--${1//_/-} $_po_words: $2 is missing, which later stages need"
  fi
}

begin() {
  _end_stage
  if ((10#$1 < 10#$stage || 10#$1 > 10#$stop_stage)); then
    return 1
  fi
  printf '== %s %s (%(%H:%M:%S)T)\n' "$1" "$2" -1 >&2
  printf -v _stage_begun '%s\t%s\t%(%s)T' "$1" "$2" -1
  if [[ -z $(trap -p EXIT) ]]; then trap _end_stage EXIT; fi
}

# Notes the end of the stage that has begun, if one has.
_end_stage() {
  if [[ -n ${_stage_begun:-} && -n ${exp:-} ]] && mkdir -p "$exp"; then
    printf '%s\t%(%s)T\n' "$_stage_begun" -1 >>"$exp/stages.tsv"
  fi
  _stage_begun=
}

_refuse() {
  echo "${1##*/}: $2" >&2
  exit 1
}

# A variable that the recipe assigns above parse_options, or one of cmd.sh; none of the
# environment's, such as http_proxy.
_is_option() {
  local _po_known
  while IFS=$'\x1f' read -r _po_known _; do
    if [[ $_po_known == "$2" ]]; then return 0; fi
  done < <(_recipe_options "$1")
  [[ -v $2 && ! $(declare -p "$2") =~ ^declare\ -[a-zA-Z]*x ]]
}

# Lines of name, default, comment, between unit separators: tabs would swallow an empty default.
_recipe_options() {
  local line assignment='^([a-z][a-z0-9_]*)=("[^"]*"|[^[:space:]#]*)[[:space:]]*(#[[:space:]]*(.*))?$'
  while IFS= read -r line && [[ $line != parse_options* ]]; do
    if [[ $line =~ $assignment ]]; then
      printf '%s\x1f%s\x1f%s\n' "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" "${BASH_REMATCH[4]}"
    fi
  done <"$1"
}

# Lines of number and title, a tab between.
_recipe_stages() {
  local line title='(^|[[:space:]])begin ([0-9]+) "(([^"\\]|\\.)*)"'
  while IFS= read -r line; do
    if [[ $line =~ $title ]]; then
      printf '%s\t%s\n' "${BASH_REMATCH[2]}" "${BASH_REMATCH[3]}"
    fi
  done <"$1"
}

_recipe_help() {
  local line name default comment
  while IFS= read -r line && [[ $line == \#* ]]; do
    if [[ $line == \#!* ]]; then continue; fi
    line=${line#\#}
    printf '%s\n' "${line# }"
  done <"$1"
  printf '\noptions\n'
  while IFS=$'\x1f' read -r name default comment; do
    printf '  --%-16s %s (default %s)\n' "${name//_/-}" "$comment" "${default:-none}"
  done < <(_recipe_options "$1")
  printf '\nstages\n'
  while IFS=$'\t' read -r name line; do
    printf '  %3s  %s\n' "$name" "$line"
  done < <(_recipe_stages "$1")
}
