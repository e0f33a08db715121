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
# options with their comments and defaults, and its stages.
# begin N "title": whether stage N is to run; says so on stderr. Where the recipe has a variable exp,
# each stage that ends, well or not, leaves a line in $exp/stages.tsv: number, title, start and end
# in seconds since 1970.

parse_options() {
  local recipe=${BASH_SOURCE[1]} option name value
  if [[ ! -e $recipe ]]; then recipe=${recipe##*/}; fi   # called as egs/x/run.sh, it has gone there
  if [[ ! -f $recipe ]]; then recipe=./${recipe##*/}; fi   # called from elsewhere, gone to its own
  while [[ $# -gt 0 ]]; do
    option=$1
    shift
    if [[ $option == -h || $option == --help ]]; then
      _recipe_help "$recipe"
      exit 0
    fi
    name=${option%%=*}
    name=${name#--}
    name=${name//-/_}
    if [[ $option != --* || ! $name =~ ^[a-z][a-z0-9_]*$ ]] || ! _is_option "$recipe" "$name"; then
      _refuse "$recipe" "no such option: ${option%%=*} (try --help)"
    fi
    if [[ $option == *=* ]]; then
      value=${option#*=}
    elif [[ $# -eq 0 || $1 == --* ]]; then
      _refuse "$recipe" "$option needs a value ($option=value if it begins with --)"
    else
      value=$1
      shift
    fi
    if [[ ${!name} == true || ${!name} == false ]] && [[ $value != true && $value != false ]]; then
      _refuse "$recipe" "${option%%=*}: expected true or false, not $value"
    fi
    if [[ $name == stage || $name == stop_stage ]] && [[ ! $value =~ ^[0-9]+$ ]]; then
      _refuse "$recipe" "${option%%=*}: expected the number of a stage, not $value (try --help)"
    fi
    printf -v "$name" '%s' "$value"
  done
  local last
  last=$(_recipe_stages "$recipe" | tail -n 1)
  if [[ -n $last ]] && ((10#${stage:-0} > 10#${last%%$'\t'*})); then
    _refuse "$recipe" "--stage $stage: the last one is ${last%%$'\t'*}"
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
  local known
  while IFS=$'\x1f' read -r known _; do
    if [[ $known == "$2" ]]; then return 0; fi
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
