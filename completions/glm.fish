# Completions of glm for fish, written by completions/generator: edit that.
# Use: save as ~/.config/fish/completions/glm.fish.

# Whether the words before the cursor lead to one of these places.
function __glm_at
    set -l words (commandline -opc)
    set -e words[1]
    set -l place ''
    for word in $words
        if contains -- $place/$word /ask /stream /vision /tools /tools/run /tools/check /tools/list /tools/call /batch /batch/run /batch/sample /batch/merge /batch/submit /batch/status /batch/fetch /batch/cancel /batch/list /batch/report /models /sandbox
            set place $place/$word
        end
    end
    test -z "$place"; and set place /
    contains -- $place $argv
end

# What stands after -P, or nothing.
function __glm_provider
    set -l words (commandline -opc)
    while set -q words[1]
        switch $words[1]
            case -P --provider
                echo $words[2]
            case '--provider=*'
                string replace -- --provider= '' $words[1]
        end
        set -e words[1]
    end
end

# Models of the provider in the first argument; of all, with the providers, while there is none.
function __glm_models
    set -l provider $argv[1]
    if test -n "$provider"
        __glm_ids $provider
        return
    end
    printf '%s\n' bigmodel/ zai/ modelstudio/ dashscope/ tokenhub/ vllm/ sglang/ ollama/ llamacpp/ openai/ sandbox/ glm-5.3 glm-5.3-flash glm-5.3-flashx glm-5.3-highspeed glm-5.2 glm-5.2-highspeed glm-5.1 glm-5 glm-5-turbo glm-5-code glm-5v-turbo glm-4.7 glm-4.7-flashx glm-4.7-flash glm-4.6 glm-4.6v glm-4.6v-flashx glm-4.6v-flash glm-4.5 glm-4.5-x glm-4.5-air glm-4.5-airx glm-4.5-flash glm-4.5v glm-4-flash-250414 glm-4-flashx-250414 glm-z1-air glm-z1-airx glm-z1-flashx glm-z1-flash glm-4.1v-thinking-flashx glm-4.1v-thinking-flash glm-4v-flash glm-4v-plus-0111 glm-4-voice glm-4-plus glm-4-air-250414 glm-4-airx glm-4-flash glm-4-long glm-4-32b-0414-128k autoglm-phone-multilingual glm-5.2-fast-preview glm-5.2-us ZHIPU/GLM-5.3 ZHIPU/GLM-5.3-Flash ZHIPU/GLM-5.2 ZHIPU/GLM-5.1 ZHIPU/GLM-5
    set provider (commandline -ct | string replace -r -- '^--\w+=' '' | string match -r -- '^[^/]+(?=/)')
    test -n "$provider"; and string replace -r -- '^' $provider/ (__glm_ids $provider)
end

# Free text, or the text of a file after an @.
function __glm_after_at
    set -l file (commandline -ct | string replace -r -- '^--\w+=' '' | string match -r -- '(?<=^@).*')
    and string replace -r -- '^' @ (__fish_complete_path $file)
end

function __glm_ids
    switch $argv[1]
        case bigmodel
            printf '%s\n' glm-5.3 glm-5.3-flash glm-5.3-flashx glm-5.3-highspeed glm-5.2 glm-5.2-highspeed glm-5.1 glm-5 glm-5-turbo glm-5-code glm-5v-turbo glm-4.7 glm-4.7-flashx glm-4.7-flash glm-4.6 glm-4.6v glm-4.6v-flashx glm-4.6v-flash glm-4.5 glm-4.5-x glm-4.5-air glm-4.5-airx glm-4.5-flash glm-4.5v glm-4-flash-250414 glm-4-flashx-250414 glm-z1-air glm-z1-airx glm-z1-flashx glm-z1-flash glm-4.1v-thinking-flashx glm-4.1v-thinking-flash glm-4v-flash glm-4v-plus-0111 glm-4-voice glm-4-plus glm-4-air-250414 glm-4-airx glm-4-flash glm-4-long
        case zai
            printf '%s\n' glm-5.3 glm-5.3-flash glm-5.3-flashx glm-5.3-highspeed glm-5.2 glm-5.2-highspeed glm-5.1 glm-5 glm-5-turbo glm-5-code glm-5v-turbo glm-4.7 glm-4.7-flashx glm-4.7-flash glm-4.6 glm-4.6v glm-4.6v-flashx glm-4.6v-flash glm-4.5 glm-4.5-x glm-4.5-air glm-4.5-airx glm-4.5-flash glm-4.5v glm-4-32b-0414-128k autoglm-phone-multilingual
        case modelstudio
            printf '%s\n' glm-5.3 glm-5.3-flash glm-5.2 glm-5.2-fast-preview glm-5.1 glm-5 glm-4.7 glm-4.6 glm-4.5 glm-4.5-air glm-5.2-us ZHIPU/GLM-5.3 ZHIPU/GLM-5.3-Flash ZHIPU/GLM-5.2 ZHIPU/GLM-5.1 ZHIPU/GLM-5
        case dashscope
            printf '%s\n' glm-5.3 glm-5.3-flash glm-5.2 glm-5.2-fast-preview glm-5.1 glm-5 glm-4.7 glm-4.6 glm-4.5 glm-4.5-air glm-5.2-us ZHIPU/GLM-5.3 ZHIPU/GLM-5.3-Flash ZHIPU/GLM-5.2 ZHIPU/GLM-5.1 ZHIPU/GLM-5
        case tokenhub
            printf '%s\n' glm-5.3 glm-5.3-flash glm-5.3-flashx glm-5.2 glm-5.1 glm-5 glm-5-turbo glm-5v-turbo
        case sandbox
            printf '%s\n' glm-5.3 glm-5.3-flash glm-5.3-flashx glm-5.3-highspeed glm-5.2 glm-5.2-highspeed glm-5.1 glm-5 glm-5-turbo glm-5-code glm-5v-turbo glm-4.7 glm-4.7-flashx glm-4.7-flash glm-4.6 glm-4.6v glm-4.6v-flashx glm-4.6v-flash glm-4.5 glm-4.5-x glm-4.5-air glm-4.5-airx glm-4.5-flash glm-4.5v glm-4-flash-250414 glm-4-flashx-250414 glm-z1-air glm-z1-airx glm-z1-flashx glm-z1-flash glm-4.1v-thinking-flashx glm-4.1v-thinking-flash glm-4v-flash glm-4v-plus-0111 glm-4-voice glm-4-plus glm-4-air-250414 glm-4-airx glm-4-flash glm-4-long
    end
end

function __glm_word_provider
    printf '%s\t%s\n' \
        bigmodel 'https://open.bigmodel.cn/api/paas/v4' \
        zai 'https://api.z.ai/api/paas/v4' \
        modelstudio 'https://dashscope.aliyuncs.com/compatible-mode/v1' \
        dashscope 'https://dashscope.aliyuncs.com/api/v1' \
        tokenhub 'https://tokenhub-intl.tencentcloudmaas.com/v1' \
        vllm 'http://127.0.0.1:8000/v1' \
        sglang 'http://127.0.0.1:30000/v1' \
        ollama 'http://127.0.0.1:11434/v1' \
        llamacpp 'http://127.0.0.1:8080/v1' \
        openai '' \
        sandbox ''
end

function __glm_word_effort
    printf '%s\n' low high max none minimal medium xhigh ultra
end

function __glm_word_reasoning
    printf '%s\n' stderr stdout none
end

function __glm_word_sources
    printf '%s\n' stderr stdout none
end

function __glm_word_meta
    printf '%s\n' stderr stdout none
end

function __glm_word_detail
    printf '%s\n' auto low high
end

function __glm_word_tool_choice
    printf '%s\n' auto none required
end

function __glm_word_format
    printf '%s\n' jsonl text csv tsv yaml
end

function __glm_word_delimiter
    printf '%s\n' tab
end

function __glm_word_shard
    printf '%s\n' auto
end

function __glm_word_engine
    printf '%s\n' local dask ray
end

function __glm_word_fault
    printf '%s\t%s\n' \
        cut 'the reply ends cleanly before its finish' \
        reset 'the connection is reset in the middle of the reply' \
        hang 'the request is taken and never answered' \
        stall 'a few deltas, then silence' \
        drip 'the headers come byte by byte' \
        error 'an error inside the reply, under status 200' \
        html 'the page of a web firewall, under status 200' \
        garbage 'two frames run into each other; a whole reply is broken JSON' \
        length 'the answer is cut by the token limit' \
        sensitive 'the content filter cuts the answer' \
        empty 'the reply finishes without any answer' \
        nodone 'no [DONE] at the end' \
        redirect 'a redirect to another path' \
        list 'print every fault, and start nothing'
end

complete -c glm -f

complete -c glm -n '__glm_at /' -a ask -d 'One question, one complete answer, or nothing on stdout.'
complete -c glm -n '__glm_at /' -a stream -d 'The same, printed as it arrives.'
complete -c glm -n '__glm_at /' -a vision -d 'Ask about pictures, videos and files.'
complete -c glm -n '__glm_at /' -a tools -d 'Let the model call local programs and MCP servers.'
complete -c glm -n '__glm_at /' -a batch -d 'Many prompts: a row each in, a JSON line each out.'
complete -c glm -n '__glm_at /' -a models -d 'List the models that are known, or those that a provider lists.'
complete -c glm -n '__glm_at /' -a sandbox -d 'Serve the embedded providers on loopback, with faults on demand.'
complete -c glm -n '__glm_at /tools' -a run -d 'Ask; run the tools that the model calls, until it answers.'
complete -c glm -n '__glm_at /tools' -a check -d 'Validate tool files; start nothing.'
complete -c glm -n '__glm_at /tools' -a list -d 'What a tool file offers.'
complete -c glm -n '__glm_at /tools' -a call -d 'Run one tool as the loop would, without a model.'
complete -c glm -n '__glm_at /batch' -a run -d 'Ask for every row; the same command again resumes.'
complete -c glm -n '__glm_at /batch' -a sample -d 'Ask a few rows first, and estimate what the rest will take.'
complete -c glm -n '__glm_at /batch' -a merge -d 'Join the outputs of shards, or of separate runs.'
complete -c glm -n '__glm_at /batch' -a submit -d 'Submit the rows to the provider\'s Batch API.'
complete -c glm -n '__glm_at /batch' -a status -d 'Show the state of a submitted job.'
complete -c glm -n '__glm_at /batch' -a fetch -d 'Fetch the answers of a submitted job.'
complete -c glm -n '__glm_at /batch' -a cancel -d 'Stop a submitted job.'
complete -c glm -n '__glm_at /batch' -a list -d 'The batches of an account.'
complete -c glm -n '__glm_at /batch' -a report -d 'Summarise an output: counts, cost, time, failures.'

complete -c glm -n '__glm_at /' -l version -d 'Print the version.'
complete -c glm -n '__glm_at / /ask /stream /vision /tools /tools/run /tools/check /tools/list /tools/call /batch /batch/run /batch/sample /batch/merge /batch/submit /batch/status /batch/fetch /batch/cancel /batch/list /batch/report /models /sandbox' -s h -l help -d 'Show this message and exit.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit' -s m -l model -x -a '(__glm_models (__glm_provider))' -d 'The model, as [PROVIDER/]MODEL.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit /batch/status /batch/cancel /batch/list' -s P -l provider -x -a '(__glm_word_provider)' -d 'The provider; -m is then its model id, verbatim.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit /batch/status /batch/fetch /batch/cancel /batch/list /models' -l base-url -x -d 'Base URL of the first provider.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit /batch/status /batch/fetch /batch/cancel /batch/list /models' -l key-file -r -F -d 'Read the first provider\'s key from this file.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample' -l fallback -x -a '(__glm_models)' -d 'Ask this model if the one before fails (repeatable).'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit' -l force -d 'Send what the provider is known to refuse.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit' -s f -l request -r -F -d 'A request file, YAML or JSON; flags override it.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit' -l var -x -d 'Fill {{NAME}} in the request file (repeatable).'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit' -s s -l system -x -a '(__glm_after_at)' -d 'The system message.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit' -s a -l attach -r -F -d 'Add a text file or a picture (repeatable).'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run' -l session -r -F -d 'Keep the conversation in this JSONL file.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run' -l no-stdin -d 'Do not read stdin, as in a loop over its lines.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run' -l need-stdin -d 'Fail if stdin is empty.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit' -l think -d 'Switch thinking on or off.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit' -l no-think -d 'Switch thinking on or off.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit' -l effort -x -a '(__glm_word_effort)' -d 'How hard to think: none to max, by model (glm models).'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit' -l think-budget -x -d 'Maximum tokens of thinking.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit' -l keep-thinking -d 'Let the model read what it thought in earlier turns, or not.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit' -l no-keep-thinking -d 'Let the model read what it thought in earlier turns, or not.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit' -l temperature -x -d 'Randomness; 0 is the least.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit' -l top-p -x -d 'Nucleus sampling.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit' -l top-k -x -d 'Sample among the best K tokens.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit' -l repetition-penalty -x -d '1 is no penalty; higher repeats less.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit' -l max-tokens -x -d 'Maximum tokens of the reply.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit' -l seed -x -d 'Ask for a repeatable reply.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit' -l stop -x -d 'Stop before this text (repeatable).'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit' -s o -l option -x -d 'Any other field of the provider (repeatable).'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample' -l no-stream -d 'Request the answer in one piece, not as a stream.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run' -s R -l no-reasoning -d 'Do not show the reasoning.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run' -l reasoning -r -F -a '(__glm_word_reasoning)' -d 'Write the reasoning here.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run' -l sources -r -F -a '(__glm_word_sources)' -d 'List the pages that a web search found here (stderr).'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run' -l json -d 'Print one JSON object, also on failure.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run' -l jsonl -d 'Print one event a line, live.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run' -s u -l usage -d 'One line of token counts and cost on stderr.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run' -l meta -r -F -a '(__glm_word_meta)' -d 'Write the --json object without its texts here.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run' -s O -l output -r -F -d 'Write the answer here, if it is complete.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/fetch' -l keep-partial -d 'Print an incomplete answer too; the exit code stays.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/fetch' -l allow-empty -d 'An empty answer is complete.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/fetch' -l exact -d 'Add and drop no newline.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /models' -l plain -d 'No colours and no live rendering.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run' -l raw -d 'Let control characters through to a terminal.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run' -s n -l dry-run -d 'Print the request as JSON; send nothing.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run' -l curl -d 'Print the request as a curl command; send nothing.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/merge /batch/submit /batch/status /batch/fetch /batch/cancel /batch/list /models' -s q -l quiet -d 'Errors only.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit /batch/status /batch/fetch /batch/cancel /batch/list /models' -s v -l verbose -d 'Say what is chosen, and why.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/status /batch/fetch /batch/cancel /batch/list /models' -l retries -x -d 'Maximum retries (3).'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit /batch/status /batch/fetch /batch/cancel /batch/list /models' -l retry-max-time -x -d 'Retry no longer than this (180).'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit /batch/status /batch/fetch /batch/cancel /batch/list /models' -l connect-timeout -x -d 'Limit on connecting (10).'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit /batch/status /batch/fetch /batch/cancel /batch/list /models' -l first-timeout -x -d 'From the connection to the first data (300).'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/run /batch/sample /batch/submit /batch/status /batch/fetch /batch/cancel /batch/list /models' -l idle-timeout -x -d 'Between two pieces of data (300), keep-alives aside.'
complete -c glm -n '__glm_at /ask /stream /vision /tools/run /batch/status /batch/fetch /batch/cancel /batch/list /models' -l deadline -x -d 'Limit on the whole run, stdin included (none).'
complete -c glm -n '__glm_at /vision' -l image -r -F -d 'A picture (repeatable); - is stdin.'
complete -c glm -n '__glm_at /vision' -l video -x -d 'A video that the provider fetches (repeatable).'
complete -c glm -n '__glm_at /vision' -l file -x -d 'A document that the provider fetches (repeatable).'
complete -c glm -n '__glm_at /vision' -l at -r -F -d 'A file or --image of this media type, whatever its bytes say (repeatable).'
complete -c glm -n '__glm_at /vision' -l detail -x -a '(__glm_word_detail)' -d 'Detail in which the model sees pictures (TokenHub).'
complete -c glm -n '__glm_at /vision' -l resize -d 'Make pictures upright and what the model takes.'
complete -c glm -n '__glm_at /vision' -l stream -d 'Print the answer as it arrives.'
complete -c glm -n '__glm_at /tools/run /tools/call' -l tools -r -F -d 'A file of tools, YAML or JSON (repeatable).'
complete -c glm -n '__glm_at /tools/run' -l max-steps -x -d 'Maximum requests to the model (10).'
complete -c glm -n '__glm_at /tools/run' -l yes -d 'Approve every call, except of tools with approve: deny.'
complete -c glm -n '__glm_at /tools/run' -l approve -x -d 'Approve the calls of this tool (repeatable).'
complete -c glm -n '__glm_at /tools/run' -l plan -d 'Print the model\'s first calls as JSON; run nothing.'
complete -c glm -n '__glm_at /tools/run' -l tool-choice -x -a '(__glm_word_tool_choice)' -d 'Which tool the first step calls: auto, none, required or a name.'
complete -c glm -n '__glm_at /tools/run' -l tool-stream -d 'Stream the arguments of calls, or get them whole.'
complete -c glm -n '__glm_at /tools/run' -l no-tool-stream -d 'Stream the arguments of calls, or get them whole.'
complete -c glm -n '__glm_at /tools/run' -l stream -d 'Print text as it comes, also what precedes a call.'
complete -c glm -n '__glm_at /tools/check' -s P -l provider -x -a '(__glm_word_provider)' -d 'Check by the rules of this provider too.'
complete -c glm -n '__glm_at /tools/list' -l connect -d 'Start or reach the MCP servers too, and ask for their tools.'
complete -c glm -n '__glm_at /tools/list' -l json -d 'Print the whole definitions as JSON.'
complete -c glm -n '__glm_at /tools/call' -l args -x -d 'The arguments, one JSON object; `-` is stdin.'
complete -c glm -n '__glm_at /batch/run /batch/sample /batch/submit' -l format -x -a '(__glm_word_format)' -d 'How rows are written (by the name).'
complete -c glm -n '__glm_at /batch/run /batch/sample /batch/merge /batch/submit' -l delimiter -x -a '(__glm_word_delimiter)' -d 'What separates columns (found by the header).'
complete -c glm -n '__glm_at /batch/run /batch/sample /batch/merge /batch/submit' -l encoding -x -d 'How the text of rows is encoded (UTF-8).'
complete -c glm -n '__glm_at /batch/run /batch/sample /batch/submit' -l files0 -r -F -d 'Each file is a row; read NUL-separated paths from here.'
complete -c glm -n '__glm_at /batch/run /batch/sample' -l need-rows -d 'Exit 2 if there is no row (a note, and 0).'
complete -c glm -n '__glm_at /batch/run /batch/sample' -l ordered -d 'Write rows in the order of the input.'
complete -c glm -n '__glm_at /batch/run /batch/sample' -l text -x -a '(__fish_complete_directories)' -d 'Also each answer as a file in this folder.'
complete -c glm -n '__glm_at /batch/run /batch/sample' -l csv -r -F -d 'Also all rows as a CSV table, when the run ends.'
complete -c glm -n '__glm_at /batch/run /batch/sample' -l csv-safe -d 'Write cells that begin as formulas do (= + - @) as text.'
complete -c glm -n '__glm_at /batch/run /batch/sample' -s j -l jobs -x -d 'Maximum requests in flight (32).'
complete -c glm -n '__glm_at /batch/run /batch/sample' -l rpm -x -d 'Maximum requests a minute (else found, from the usual number on).'
complete -c glm -n '__glm_at /batch/run /batch/sample' -l tpm -x -d 'Maximum tokens a minute, in and out (likewise).'
complete -c glm -n '__glm_at /batch/run /batch/sample' -l max-failures -x -d 'Stop after so many failed rows.'
complete -c glm -n '__glm_at /batch/run /batch/sample' -l max-cost -x -d 'Stop before this is spent, in the provider\'s currency.'
complete -c glm -n '__glm_at /batch/run /batch/sample' -l shard -x -a '(__glm_word_shard)' -d 'Only part I of N of the rows; --rpm and --tpm are divided.'
complete -c glm -n '__glm_at /batch/run /batch/sample' -l retry-failed -d 'Ask all failed rows again, or none (those that may succeed).'
complete -c glm -n '__glm_at /batch/run /batch/sample' -l no-retry-failed -d 'Ask all failed rows again, or none (those that may succeed).'
complete -c glm -n '__glm_at /batch/run /batch/sample' -l sync -d 'A row counts when it is on the disk: a power cut loses none.'
complete -c glm -n '__glm_at /batch/run /batch/sample /batch/submit' -l redo-changed -d 'Ask finished rows anew whose request has changed.'
complete -c glm -n '__glm_at /batch/run /batch/sample' -l engine -x -a '(__glm_word_engine)' -d 'Send rows to workers through this engine.'
complete -c glm -n '__glm_at /batch/run /batch/sample' -l address -x -d 'Where the engine\'s cluster is.'
complete -c glm -n '__glm_at /batch/run /batch/sample /batch/submit' -l keep-changed -d 'Keep their answers to the old request.'
complete -c glm -n '__glm_at /batch/run /batch/sample /batch/submit' -s O -l output -r -F -d 'The lines; with it, the same command again resumes.'
complete -c glm -n '__glm_at /batch/run /batch/sample' -l keep-partial -d 'Keep what came of cut answers (`partial`); the exit code stays.'
complete -c glm -n '__glm_at /batch/run /batch/submit' -s n -l dry-run -d 'Print the first row\'s request as JSON; send nothing.'
complete -c glm -n '__glm_at /batch/run /batch/sample /batch/submit' -l retries -x -d 'Maximum retries of a row (3); refusals for the rate are none.'
complete -c glm -n '__glm_at /batch/run /batch/sample /batch/submit' -l deadline -x -d 'Until the run is over, stdin included (none).'
complete -c glm -n '__glm_at /batch/sample' -s n -l count -x -d 'How many rows (5).'
complete -c glm -n '__glm_at /batch/sample' -l json -d 'Print one JSON object, with the rows whole, also on failure.'
complete -c glm -n '__glm_at /batch/sample' -l dry-run -d 'Print the first row\'s request as JSON; send nothing.'
complete -c glm -n '__glm_at /batch/merge' -s O -l output -r -F -d 'Write the lines here, all of them or nothing.'
complete -c glm -n '__glm_at /batch/merge' -l input -r -F -d 'Say which rows of this input are missing; a list for --files0 is --format files.'
complete -c glm -n '__glm_at /batch/merge' -l format -x -a '(__glm_word_format)' -d 'How its rows are written (by the name).'
complete -c glm -n '__glm_at /batch/merge' -l keep-changed -d 'Of answers to different requests keep the first.'
complete -c glm -n '__glm_at /batch/submit' -l again -d 'Submit rows anew that failed or went missing: they are paid again.'
complete -c glm -n '__glm_at /batch/submit' -l lines -r -F -d 'Write the lines here instead, and send nothing.'
complete -c glm -n '__glm_at /batch/submit' -l input-url -x -d 'Where the lines of --lines can be read (TokenHub).'
complete -c glm -n '__glm_at /batch/status /batch/report' -l json -d 'Print one JSON object.'
complete -c glm -n '__glm_at /batch/status' -l wait -d 'Return when all have ended.'
complete -c glm -n '__glm_at /batch/status' -l poll -x -d 'Poll at this interval (10, growing to 60).'
complete -c glm -n '__glm_at /batch/list' -l json -d 'Print one JSON object a line.'
complete -c glm -n '__glm_at /batch/report' -l html -r -F -d 'Write a page with charts here, which needs no network.'
complete -c glm -n '__glm_at /models' -s P -l provider -x -a '(__glm_word_provider)' -d 'Only this provider; the model is then its id, verbatim.'
complete -c glm -n '__glm_at /models' -l json -d 'Print every fact as JSON.'
complete -c glm -n '__glm_at /models' -l remote -d 'Ask the provider for its own list, and compare.'
complete -c glm -n '__glm_at /models' -l check -r -F -d 'Compare with a public list: litellm\'s or models.dev\'s.'
complete -c glm -n '__glm_at /sandbox' -l port -x -d 'The port on 127.0.0.1; 0, the default, takes a free one.'
complete -c glm -n '__glm_at /sandbox' -l reply -r -F -d 'Answer this (repeatable): a text, or a YAML or JSON file of replies (@FILE, -, or the name of a file that exists or ends in .yaml or .json). Requests get them in turn, and the last one again and again.'
complete -c glm -n '__glm_at /sandbox' -l fault -x -a '(__glm_word_fault)' -d 'Fail on demand (repeatable): a status such as 429, a provider\'s code such as 1302, or one of cut reset hang stall drip error html garbage length sensitive empty nodone redirect; SHARE of the requests. `--fault list` prints all of them and starts nothing.'
complete -c glm -n '__glm_at /sandbox' -l latency -x -d 'Wait before the first byte.'
complete -c glm -n '__glm_at /sandbox' -l pace -x -d 'Wait between the pieces of a stream.'
complete -c glm -n '__glm_at /tools/check /tools/list /batch/run /batch/sample /batch/submit /batch/status /batch/fetch /batch/cancel /batch/report' -F
complete -c glm -n '__glm_at /models' -x -a '(__glm_models (__glm_provider))'
