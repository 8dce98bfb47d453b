# Completions of glm for bash, written by completions/generator: edit that.
# Use: save as ~/.local/share/bash-completion/completions/glm, or source it in ~/.bashrc.

# Add what compgen finds for the word at the cursor.
_glm_add() {
  local line
  while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen "$@" -- "$cur")
}

_glm_files() {
  compopt -o filenames 2>/dev/null
  _glm_add -f
}

_glm_folders() {
  compopt -o filenames 2>/dev/null
  _glm_add -d
}

# Free text, or the text of a file after an @.
_glm_after_at() {
  [[ $cur == @* ]] || return
  compopt -o filenames 2>/dev/null
  cur=${cur#@}
  _glm_add -f -P @
}

# What stands after -P, or nothing.
_glm_provider() {
  local number word
  for ((number = 1; number < COMP_CWORD; number++)); do
    word=${COMP_WORDS[number]}
    [[ $word == -P || $word == --provider ]] || continue
    word=${COMP_WORDS[number + 1]}
    [[ $word == "=" ]] && word=${COMP_WORDS[number + 2]}
    printf %s "$word"
    return
  done
}

_glm_ids() {
  case $1 in
    bigmodel|sandbox) echo "glm-5.3 glm-5.3-flash glm-5.3-flashx glm-5.3-highspeed glm-5.2 glm-5.2-highspeed glm-5.1 glm-5 glm-5-turbo glm-5-code glm-5v-turbo glm-4.7 glm-4.7-flashx glm-4.7-flash glm-4.6 glm-4.6v glm-4.6v-flashx glm-4.6v-flash glm-4.5 glm-4.5-x glm-4.5-air glm-4.5-airx glm-4.5-flash glm-4.5v glm-4-flash-250414 glm-4-flashx-250414 glm-z1-air glm-z1-airx glm-z1-flashx glm-z1-flash glm-4.1v-thinking-flashx glm-4.1v-thinking-flash glm-4v-flash glm-4v-plus-0111 glm-4-voice glm-4-plus glm-4-air-250414 glm-4-airx glm-4-flash glm-4-long" ;;
    zai) echo "glm-5.3 glm-5.3-flash glm-5.3-flashx glm-5.3-highspeed glm-5.2 glm-5.2-highspeed glm-5.1 glm-5 glm-5-turbo glm-5-code glm-5v-turbo glm-4.7 glm-4.7-flashx glm-4.7-flash glm-4.6 glm-4.6v glm-4.6v-flashx glm-4.6v-flash glm-4.5 glm-4.5-x glm-4.5-air glm-4.5-airx glm-4.5-flash glm-4.5v glm-4-32b-0414-128k autoglm-phone-multilingual" ;;
    modelstudio|dashscope) echo "glm-5.3 glm-5.3-flash glm-5.2 glm-5.2-fast-preview glm-5.1 glm-5 glm-4.7 glm-4.6 glm-4.5 glm-4.5-air glm-5.2-us ZHIPU/GLM-5.3 ZHIPU/GLM-5.3-Flash ZHIPU/GLM-5.2 ZHIPU/GLM-5.1 ZHIPU/GLM-5" ;;
    tokenhub) echo "glm-5.3 glm-5.3-flash glm-5.3-flashx glm-5.2 glm-5.1 glm-5 glm-5-turbo glm-5v-turbo" ;;
  esac
}

# Models of the provider $1; of all, with the providers, while there is none.
_glm_models() {
  local provider=$1 id words=""
  if [[ $provider ]]; then
    _glm_add -W "$(_glm_ids "$provider")"
  elif [[ $cur == */* ]]; then
    provider=${cur%%/*}
    for id in $(_glm_ids "$provider"); do words+=" $provider/$id"; done
    _glm_add -W "$words"
  else
    _glm_add -W "bigmodel/ zai/ modelstudio/ dashscope/ tokenhub/ vllm/ sglang/ ollama/ llamacpp/ openai/ sandbox/ glm-5.3 glm-5.3-flash glm-5.3-flashx glm-5.3-highspeed glm-5.2 glm-5.2-highspeed glm-5.1 glm-5 glm-5-turbo glm-5-code glm-5v-turbo glm-4.7 glm-4.7-flashx glm-4.7-flash glm-4.6 glm-4.6v glm-4.6v-flashx glm-4.6v-flash glm-4.5 glm-4.5-x glm-4.5-air glm-4.5-airx glm-4.5-flash glm-4.5v glm-4-flash-250414 glm-4-flashx-250414 glm-z1-air glm-z1-airx glm-z1-flashx glm-z1-flash glm-4.1v-thinking-flashx glm-4.1v-thinking-flash glm-4v-flash glm-4v-plus-0111 glm-4-voice glm-4-plus glm-4-air-250414 glm-4-airx glm-4-flash glm-4-long glm-4-32b-0414-128k autoglm-phone-multilingual glm-5.2-fast-preview glm-5.2-us ZHIPU/GLM-5.3 ZHIPU/GLM-5.3-Flash ZHIPU/GLM-5.2 ZHIPU/GLM-5.1 ZHIPU/GLM-5"
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == */ ]] && compopt -o nospace 2>/dev/null
  fi
}

_glm() {
  local cur=${COMP_WORDS[COMP_CWORD]} flag=${COMP_WORDS[COMP_CWORD - 1]} place="" word number only_arguments=""
  COMPREPLY=()
  # bash cuts --model=x into three words.
  if [[ $cur == "=" ]]; then
    cur=""
  elif [[ $flag == "=" ]]; then
    flag=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((number = 1; number < COMP_CWORD; number++)); do
    word=${COMP_WORDS[number]}
    [[ $word == -- ]] && only_arguments=yes
    case $place/$word in
      /ask|/stream|/vision|/tools|/tools/run|/tools/check|/tools/list|/tools/call|/batch|/batch/run|/batch/sample|/batch/merge|/batch/submit|/batch/status|/batch/fetch|/batch/cancel|/batch/list|/batch/report|/models|/sandbox) place+=/$word ;;
    esac
  done
  [[ $only_arguments ]] || case $place:$flag in
    *:-m|*:--model)
      _glm_models "$(_glm_provider)"
      return
      ;;
    *:-P|*:--provider)
      _glm_add -W "bigmodel zai modelstudio dashscope tokenhub vllm sglang ollama llamacpp openai sandbox"
      return
      ;;
    *:--base-url|*:--var|*:--think-budget|*:--temperature|*:--top-p|*:--top-k|*:--repetition-penalty|*:--max-tokens|*:--seed|*:--stop|*:-o|*:--option|/batch/sample:-n|*:--retries|*:--retry-max-time|*:--connect-timeout|*:--first-timeout|*:--idle-timeout|*:--deadline|*:--video|*:--file|*:--max-steps|*:--approve|*:--args|*:--encoding|*:-j|*:--jobs|*:--rpm|*:--tpm|*:--max-failures|*:--max-cost|*:--address|*:--count|*:--input-url|*:--poll|*:--port|*:--latency|*:--pace)
      return
      ;;
    *:--key-file|*:-f|*:--request|*:-a|*:--attach|*:--session|*:-O|*:--output|*:--image|*:--at|*:--tools|*:--files0|*:--csv|*:--input|*:--lines|*:--html|*:--check|*:--reply)
      _glm_files
      return
      ;;
    *:--fallback)
      _glm_models
      return
      ;;
    *:-s|*:--system)
      _glm_after_at
      return
      ;;
    *:--effort)
      _glm_add -W "low high max none minimal medium xhigh ultra"
      return
      ;;
    *:--reasoning|*:--sources|*:--meta)
      _glm_add -W "stderr stdout none"
      _glm_files
      return
      ;;
    *:--detail)
      _glm_add -W "auto low high"
      return
      ;;
    *:--tool-choice)
      _glm_add -W "auto none required"
      return
      ;;
    *:--format)
      _glm_add -W "jsonl text csv tsv yaml"
      return
      ;;
    *:--delimiter)
      _glm_add -W "tab"
      return
      ;;
    *:--text)
      _glm_folders
      return
      ;;
    *:--shard)
      _glm_add -W "auto"
      return
      ;;
    *:--engine)
      _glm_add -W "local dask ray"
      return
      ;;
    *:--fault)
      _glm_add -W "cut reset hang stall drip error html garbage length sensitive empty nodone redirect list"
      return
      ;;
  esac
  case $place in
    "")
      if [[ $cur == -* && ! $only_arguments ]]; then
        _glm_add -W "--version -h --help"
      else
        _glm_add -W "ask stream vision tools batch models sandbox"
      fi
      ;;
    /ask)
      if [[ $cur == -* && ! $only_arguments ]]; then
        _glm_add -W "-m --model -P --provider --base-url --key-file --fallback --force -f --request --var -s --system -a --attach --session --no-stdin --need-stdin --think --no-think --effort --think-budget --keep-thinking --no-keep-thinking --temperature --top-p --top-k --repetition-penalty --max-tokens --seed --stop -o --option --no-stream -R --no-reasoning --reasoning --sources --json --jsonl -u --usage --meta -O --output --keep-partial --allow-empty --exact --plain --raw -n --dry-run --curl -q --quiet -v --verbose --retries --retry-max-time --connect-timeout --first-timeout --idle-timeout --deadline -h --help"
      fi
      ;;
    /stream)
      if [[ $cur == -* && ! $only_arguments ]]; then
        _glm_add -W "-m --model -P --provider --base-url --key-file --fallback --force -f --request --var -s --system -a --attach --session --no-stdin --need-stdin --think --no-think --effort --think-budget --keep-thinking --no-keep-thinking --temperature --top-p --top-k --repetition-penalty --max-tokens --seed --stop -o --option --no-stream -R --no-reasoning --reasoning --sources --json --jsonl -u --usage --meta -O --output --keep-partial --allow-empty --exact --plain --raw -n --dry-run --curl -q --quiet -v --verbose --retries --retry-max-time --connect-timeout --first-timeout --idle-timeout --deadline -h --help"
      fi
      ;;
    /vision)
      if [[ $cur == -* && ! $only_arguments ]]; then
        _glm_add -W "--image --video --file --at --detail --resize --stream -m --model -P --provider --base-url --key-file --fallback --force -f --request --var -s --system -a --attach --session --no-stdin --need-stdin --think --no-think --effort --think-budget --keep-thinking --no-keep-thinking --temperature --top-p --top-k --repetition-penalty --max-tokens --seed --stop -o --option --no-stream -R --no-reasoning --reasoning --sources --json --jsonl -u --usage --meta -O --output --keep-partial --allow-empty --exact --plain --raw -n --dry-run --curl -q --quiet -v --verbose --retries --retry-max-time --connect-timeout --first-timeout --idle-timeout --deadline -h --help"
      fi
      ;;
    /tools)
      if [[ $cur == -* && ! $only_arguments ]]; then
        _glm_add -W "-h --help"
      else
        _glm_add -W "run check list call"
      fi
      ;;
    /tools/run)
      if [[ $cur == -* && ! $only_arguments ]]; then
        _glm_add -W "--tools --max-steps --yes --approve --plan --tool-choice --tool-stream --no-tool-stream --stream -m --model -P --provider --base-url --key-file --fallback --force -f --request --var -s --system -a --attach --session --no-stdin --need-stdin --think --no-think --effort --think-budget --keep-thinking --no-keep-thinking --temperature --top-p --top-k --repetition-penalty --max-tokens --seed --stop -o --option --no-stream -R --no-reasoning --reasoning --sources --json --jsonl -u --usage --meta -O --output --keep-partial --allow-empty --exact --plain --raw -n --dry-run --curl -q --quiet -v --verbose --retries --retry-max-time --connect-timeout --first-timeout --idle-timeout --deadline -h --help"
      fi
      ;;
    /tools/check)
      if [[ $cur == -* && ! $only_arguments ]]; then
        _glm_add -W "-P --provider -h --help"
      else
        _glm_files
      fi
      ;;
    /tools/list)
      if [[ $cur == -* && ! $only_arguments ]]; then
        _glm_add -W "--connect --json -h --help"
      else
        _glm_files
      fi
      ;;
    /tools/call)
      if [[ $cur == -* && ! $only_arguments ]]; then
        _glm_add -W "--tools --args -h --help"
      fi
      ;;
    /batch)
      if [[ $cur == -* && ! $only_arguments ]]; then
        _glm_add -W "-h --help"
      else
        _glm_add -W "run sample merge submit status fetch cancel list report"
      fi
      ;;
    /batch/run)
      if [[ $cur == -* && ! $only_arguments ]]; then
        _glm_add -W "--format --delimiter --encoding --files0 --need-rows --ordered --text --csv --csv-safe -j --jobs --rpm --tpm --max-failures --max-cost --shard --retry-failed --no-retry-failed --sync --redo-changed --engine --address --keep-changed -m --model -P --provider --base-url --key-file --fallback --force -f --request --var -s --system -a --attach --think --no-think --effort --think-budget --keep-thinking --no-keep-thinking --temperature --top-p --top-k --repetition-penalty --max-tokens --seed --stop -o --option --no-stream -O --output --keep-partial --allow-empty --exact --plain -n --dry-run -q --quiet -v --verbose --retries --retry-max-time --connect-timeout --first-timeout --idle-timeout --deadline -h --help"
      else
        _glm_files
      fi
      ;;
    /batch/sample)
      if [[ $cur == -* && ! $only_arguments ]]; then
        _glm_add -W "-n --count --json --format --delimiter --encoding --files0 --need-rows --ordered --text --csv --csv-safe -j --jobs --rpm --tpm --max-failures --max-cost --shard --retry-failed --no-retry-failed --sync --redo-changed --engine --address --keep-changed -m --model -P --provider --base-url --key-file --fallback --force -f --request --var -s --system -a --attach --think --no-think --effort --think-budget --keep-thinking --no-keep-thinking --temperature --top-p --top-k --repetition-penalty --max-tokens --seed --stop -o --option --no-stream -O --output --keep-partial --allow-empty --exact --plain --dry-run -q --quiet -v --verbose --retries --retry-max-time --connect-timeout --first-timeout --idle-timeout --deadline -h --help"
      else
        _glm_files
      fi
      ;;
    /batch/merge)
      if [[ $cur == -* && ! $only_arguments ]]; then
        _glm_add -W "-O --output --input --format --delimiter --encoding --keep-changed -q --quiet -h --help"
      fi
      ;;
    /batch/submit)
      if [[ $cur == -* && ! $only_arguments ]]; then
        _glm_add -W "--format --delimiter --encoding --files0 --redo-changed --keep-changed --again --lines --input-url -m --model -P --provider --base-url --key-file --force -f --request --var -s --system -a --attach --think --no-think --effort --think-budget --keep-thinking --no-keep-thinking --temperature --top-p --top-k --repetition-penalty --max-tokens --seed --stop -o --option -O --output -n --dry-run -q --quiet -v --verbose --retries --retry-max-time --connect-timeout --first-timeout --idle-timeout --deadline -h --help"
      else
        _glm_files
      fi
      ;;
    /batch/status)
      if [[ $cur == -* && ! $only_arguments ]]; then
        _glm_add -W "-P --provider --json --wait --poll --base-url --key-file -q --quiet -v --verbose --retries --retry-max-time --connect-timeout --first-timeout --idle-timeout --deadline -h --help"
      else
        _glm_files
      fi
      ;;
    /batch/fetch)
      if [[ $cur == -* && ! $only_arguments ]]; then
        _glm_add -W "--base-url --key-file --keep-partial --allow-empty --exact -q --quiet -v --verbose --retries --retry-max-time --connect-timeout --first-timeout --idle-timeout --deadline -h --help"
      else
        _glm_files
      fi
      ;;
    /batch/cancel)
      if [[ $cur == -* && ! $only_arguments ]]; then
        _glm_add -W "-P --provider --base-url --key-file -q --quiet -v --verbose --retries --retry-max-time --connect-timeout --first-timeout --idle-timeout --deadline -h --help"
      else
        _glm_files
      fi
      ;;
    /batch/list)
      if [[ $cur == -* && ! $only_arguments ]]; then
        _glm_add -W "-P --provider --json --base-url --key-file -q --quiet -v --verbose --retries --retry-max-time --connect-timeout --first-timeout --idle-timeout --deadline -h --help"
      fi
      ;;
    /batch/report)
      if [[ $cur == -* && ! $only_arguments ]]; then
        _glm_add -W "--json --html -h --help"
      else
        _glm_files
      fi
      ;;
    /models)
      if [[ $cur == -* && ! $only_arguments ]]; then
        _glm_add -W "-P --provider --json --remote --check --base-url --key-file --plain -q --quiet -v --verbose --retries --retry-max-time --connect-timeout --first-timeout --idle-timeout --deadline -h --help"
      else
        _glm_models "$(_glm_provider)"
      fi
      ;;
    /sandbox)
      if [[ $cur == -* && ! $only_arguments ]]; then
        _glm_add -W "--port --reply --fault --latency --pace -h --help"
      fi
      ;;
  esac
}

complete -F _glm glm
