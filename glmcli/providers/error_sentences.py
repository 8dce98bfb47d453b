"""What sentences of servers and gateways mean, where their codes say little or were lost on the way.

A sentence counts only where the words of a message may begin (`sentence_starts`), never in the middle: there it may be
a quotation of what the user wrote. Each line says whose it is, and where it was reported.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glmcli.errors import BusyError, Retry
from glmcli.providers.codes import (
    BAD_KEY,
    FILTERED,
    FIVE_HOURS,
    MALFORMED,
    NO_ADDRESS,
    NO_CASH,
    NO_MODEL,
    NO_MONEY,
    NO_PLAN,
    PER_DAY,
    RATE,
    REGION,
    SERVER,
    TOO_LONG,
    USED_UP,
    WEEK_OR_MONTH,
)
from glmcli.providers.error_payload import sentence_starts
from glmcli.providers.row import ErrorMeaning

if TYPE_CHECKING:
    from collections.abc import Iterable

_TOO_MUCH_AT_ONCE = ErrorMeaning(
    BusyError,
    "the request alone is larger than the tokens per minute that this account has",
    fix="send less text, lower --max-tokens, or have the limit raised",
)
_LOST_UPSTREAM = ErrorMeaning(BusyError, "the provider lost the connection to the model", Retry.SERVER)

_CONTEXT = (
    # OpenAI, vLLM, OpenRouter, xAI: github.com/vllm-project/vllm-ascend/issues/11557 (2026-07-07),
    # MoonshotAI/kimi-code/issues/476 (2026-06-05), cline/cline/issues/3120 (2025-04-25).
    r"This (?:model|endpoint)'s maximum (?:context|prompt) length is \d",
    r"'max_tokens' or 'max_completion_tokens' is too large: \d+\. ?This model's maximum context length is \d",
    # OpenAI: earendil-works/pi, overflow.ts (2026); OpenAI and Azure: BerriAI/litellm/issues/18927 (2026-01-11).
    r"Your input exceeds the context window of this model",
    r"Input tokens exceed the configured limit of \d",
    # SGLang, three: QwenLM/Qwen3/issues/1321 (2025-04-29), anomalyco/opencode/pull/25230 (2026-05-01),
    # NVIDIA-NeMo/Switchyard/pull/426 (2026-08-14).
    r"The input \(\d+ tokens\) is longer than the model's context length",
    r"Requested token count exceeds the model's maximum context length",
    r"Input length \(\d+ tokens\) exceeds the maximum allowed length",
    # vLLM before 0.9, as Xinference passes it on: langchain-ai/deepagents/issues/468 (2025-11-23).
    # Prompts with pictures: vllm-project/vllm/issues/12165 (2025-01-17).
    r"(?:\[address=\S+, pid=\d+\] )?The decoder prompt \(length \d+\) is longer than the maximum model length",
    r"The prompt \(total length \d+\) is too long to fit into the model",
    # llama.cpp: run of 2026-11-21; older builds: PR 13291 of ggml-org/llama.cpp.
    r"(?:the )?request (?:\(\d+ tokens\) )?exceeds the available context size",
    # Model Studio and DashScope: anomalyco/opencode/pull/45834 (2026-08-28).
    r"Range of input length should be \[",
    # Zhipu 1261, without its code: zeroclaw-labs/zeroclaw/issues/4124 (2026-03-21); 1210: Open-AutoGLM/issues/195.
    # mlx-serve: ddalcu/mlx-serve/issues/66 (2026-07-09).
    r"Prompt exceeds max(?:imum context)? length",
    r"Prompt 超长",
    r"tokens in request more than max tokens allowed",
    # SiliconFlow: leookun/cursor-byok/issues/129 (2026-06-09). Fireworks: fw-ai/cookbook/issues/134 (2025-08-06).
    r"number of input tokens \(\d+\) has exceeded max_prompt_tokens",
    r"The prompt is too long: \d+, model maximum context length: \d",
    # Anthropic's form: OpenHands/OpenHands/issues/5350 (2024-12-01), stackblitz/bolt.new/issues/7414 (2025-03-04).
    r"prompt is too long: \d+ tokens > \d+ maximum",
    r"input length and `max_tokens` exceed context limit",
    # Google: google-gemini/gemini-cli/issues/12098 (2025-10-27).
    r"The input token count (?:\(\d+\) )?exceeds the maximum number of tokens allowed",
    # GitHub's two: microsoft/copilot-intellij-feedback/issues/94 (2025-04-14), cline/cline/issues/995 (2024-12-22).
    r"prompt token count of \d+ exceeds the limit of \d",
    r"Request body too large for \S+ model\. Max size: \d+ tokens",
    # Kiro: jwadow/kiro-gateway/issues/63 (2026-02-02). Mistral: docs.mistral.ai/resources/known-limitations
    # (2026). Cohere: docs.cohere.com, errors (2026).
    r"Input is too long\.",
    r"Prompt contains \d+ tokens(?: and \d+ draft tokens)?, too large for model with \d+ maximum context length",
    r"too many tokens: size limit exceeded by \d",
    # TGI, which served GLM-4: opea-project/GenAIInfra/issues/487 (2024-10-18), GenAIExamples/pull/340 (2024-06-28).
    r"`inputs` tokens \+ `max_new_tokens` must be <= \d",
    r"`inputs` must have less than \d+ tokens",
    # LM Studio: lmstudio-ai/lmstudio-bug-tracker/issues/546 (2025-03-24), Gitlawb/openclaude/issues/353 (2026-04-04).
    r"Trying to keep the first \d+ tokens when context the overflows",
    r"The number of tokens to keep from the initial prompt is greater than the context length",
    # Bedrock, Groq, MiniMax, Kimi: earendil-works/pi, overflow.ts (2026).
    r"Input is too long for requested model",
    r"Please reduce the length of the messages or completion",
    r"invalid params, context window exceeds limit",
    r"Your request exceeded model token limit: \d",
    # LiteLLM names it before the words of whichever server said it: BerriAI/litellm, docs of its exceptions (2026).
    r"(?:litellm\.)?ContextWindowExceededError\b",
)
_MONEY = (
    # DeepSeek, OpenCode Zen, OpenRouter, Xiaomi: danilofalcao/jarvis/issues/62 (2025-02-13),
    # TiaraBasori/OpenCode2API/issues/5 (2026-07-17), Gitlawb/openclaude/issues/43 (2026-04-01),
    # XiaomiMiMo/MiMo/issues/99 (2026-09-23).
    r"Insufficient (?:account )?(?:balance|credits|funds)\b",
    # OpenRouter: anomalyco/opencode/issues/12219 (2026-02-05); Together: expectedparrot/edsl/issues/2098 (2025-07-16).
    r"This request requires more credits, or fewer max_tokens",
    r"Credit limit exceeded\.",
    # SiliconFlow 30001 and Volcengine Ark: docs.siliconflow.cn, volcengine.com/docs/82379/1299023 (2025-11-07).
    r"Sorry, your account balance is insufficient",
    r"The request failed because your account has an overdue balance",
    # Model Studio, behind a gateway: docs.qwencloud.com/api-reference/preparation/error-messages.
    r"Access denied, please make sure your account is in good standing",
    # Anthropic's form: portkey.ai/error-library/insufficient-balance-error-10489.
    r"Your credit balance is too low to access",
    # SiliconFlow 30011: FoundationAgents/OpenManus/issues/438 (2025-03-11). xAI under 403: continuedev/continue/
    # issues/12670 (2026-06-16), NousResearch/hermes-agent/issues/26847 (2026-07-15).
    r"The selected model requires paid balance",
    r"Your newly created team doesn't have any credits or licenses yet",
    r"Your team \S+ has either used all available credits or reached its monthly spending limit",
    # Fireworks: pollinations/pollinations/issues/12136 (2026-07-01).
    r"Account \S+ is suspended, possibly due to reaching the monthly spending limit",
)
_QUOTA = (
    # LiteLLM: BerriAI/litellm/issues/14144 (2025-09-01), /36729 (2026-08-13); docs.litellm.ai, end-user budgets.
    r"Budget has been exceeded!",
    r"(?:Authentication Error, )?Exceeded\w*Budget: ",
    r"No deployments available - crossed budget",
    r"LiteLLM \w+: \S+,? exceeded budget for model=",
    # one-api and new-api: popjane/free_chatgpt_api/issues/78 (2025-02-28), songquanpeng/one-api/issues/1846
    # (2024-09-26), QuantumNous/new-api/issues/7448 (2026-09-18).
    r"(?:user|token) quota is not enough",
    r"user \[\d+\] quota \[-?\d+\] ?preConsumedQuota \[\d+\] ?is not enough",
    r"用户额度不足",
    r"该令牌额度已用尽",
    r"预扣费额度失败",
    # OpenAI, told from Google, which says the same of a minute: transitive-bullshit/agentic/issues/639 (2024-01-05).
    r"You exceeded your current quota, please check your plan[^\n]{1,80}, read the docs: https://platform\.openai\.com",
    # OpenRouter, of one key: RooCodeInc/Roo-Code/issues/515 (2025-01-23), MCPJam/inspector/issues/1287 (2026-01-26).
    r"Key limit exceeded",
    # Ollama's cloud: continuedev/continue/issues/11444 (2026-03-15), /9233; NousResearch/hermes-agent/pull/68832.
    r"you(?: \(\S+\) have|'ve) reached your (?:session|hourly|daily|weekly|monthly) usage limit",
    # Azure under 403: goferito/node-bing-api/issues/34 (2017-02-05), Azure API Management's policy `quota`.
    r"Out of call volume quota",
    # Kimi: NanmiCoder/cc-haha/issues/1208 (2026-08-08). MiniMax: MiniMax-AI/MiniMax-M2.7/issues/36 (2026-05-15).
    r"You've reached your usage limit for this billing cycle",
    r"usage limit exceeded, \S+ usage limit reached",
)
_DAY = (
    # OpenRouter: Gitlawb/openclaude/issues/936 (2026-04-28), /1549. OpenAI and Groq: platform.openai.com, rate limits.
    # Baidu: binary-husky/gpt_academic/issues/1735 (2024).
    r"Rate limit exceeded: free-models-per-day",
    r"Rate limit reached for [^\n]{1,200} per day \([TR]PD\)",
    r"Open api (?:daily|total) request limit reached",
    # Cerebras, which says the same of a minute: anomalyco/opencode/issues/7463 (2026-01-09).
    r"(?:Tokens|Requests) per day limit exceeded",
    # Cloudflare Workers AI 4006: diegosouzapw/OmniRoute/issues/6980 (2026-07-12), get-engram/engram/issues/34.
    r"(?:4006: )?you have used up your daily free allocation of ",
    # Bedrock: Ivy-Interactive/Ivy-Tendril/issues/1756 (2026-07-24). Anthropic: SakanaAI/AI-Scientist/issues/115
    # (2024-09-08). Google: google-gemini/gemini-cli/issues/2336 (2025-06-28), /15576 (2026-01-16).
    r"Too many tokens per day\b",
    r"Number of request tokens has exceeded your daily rate limit",
    r"Quota exceeded for quota metric '[^'\n]{1,200}' and limit '[^'\n]{1,200} per day\b",
    r"You have exhausted your daily quota on this model",
    # ModelScope, whose "Request limit exceeded." passes: modelscope.cn/docs/model-service/API-Inference (2026).
    r"You have exceeded today's quota for model ",
    # gpt4free under 500: xtekky/gpt4free/issues/3456 (2026-06-02).
    r"Token limit \([\d,]+ per day\) exceeded",
)
_FILTER = (
    # DeepSeek: 666ghj/BettaFish/issues/108 (2025-11-04). Kimi: MoonshotAI/kimi-code/issues/242 (2026-05-30).
    r"Content Exists Risk\b",
    r"The request was rejected because it was considered high risk",
    # Anthropic: anthropics/claude-code/issues/58367 (2026-05-12). Azure, alone and behind LiteLLM:
    # openai/openai-dotnet/issues/55 (2024-06-14), BerriAI/litellm/pull/16231 (2025-11-04).
    r"Output blocked by content filtering policy",
    r"The response was filtered due to the prompt triggering ",
    r"(?:litellm\.)?ContentPolicyViolationError\b",
    # LiteLLM's guardrails, in a stream: BerriAI/litellm/pull/39748 (2026-09-04).
    r"Content blocked by guardrail\b",
    # Model Studio behind a gateway: docs.qwencloud.com/api-reference/preparation/error-messages (2026-09-28).
    r"(?:Input|Output) (?:text )?data may contain inappropriate content",
    # OpenRouter under 403: openrouter.ai/docs/api/reference/errors-and-debugging (2026).
    r"\S+ requires moderation on [\w .-]{1,60}\. Your input was flagged for ",
)
_REGION = (
    # OpenAI under 403: songquanpeng/one-api/issues/1692 (2024-07-25). Google under 400: FoundationAgents/OpenManus/
    # issues/803 (2025-03-18). OpenCode Zen: anomalyco/opencode/issues/50305 (2026-09-21).
    r"Country, region, or territory not supported",
    r"User location is not supported for the API use",
    r"This model is not available in your (?:country|region)",
)
_MODEL = (
    # Zhipu: duolahypercho/codex-router/issues/244 (2026-08-15), cline/cline/issues/6099 (2025-09-09); api-code (2026).
    r"modelCode: (?:\S{1,100} )?does not exist",
    r"Unknown Model, please check the model code",
    r"模型不存在",
    r"The model parameter is illegal",
    r"model ?参数非法",
    # LiteLLM: BerriAI/litellm/issues/8821 (2025-02-26), /12061 (2025-06-26).
    r"Invalid model name passed in model=",
    # one-api and new-api: songquanpeng/one-api/issues/2308 (2025-08-22), QuantumNous/new-api/issues/5551, /6915.
    r"(?:当前)?分组 \S+ 下(?:对于)?模型 \S* ?无可用渠道",
    r"No available channels? for model \S* ?(?:under|in) group",
    # OpenRouter: OpenRouterTeam/openrouter-examples/issues/74 (2026-05-06), Alishahryar1/free-claude-code/issues/166.
    r"\S+ is not a valid model ID",
    r"No endpoints found for \S",
    # Bedrock: iOfficeAI/AionCore/pull/377 (2026-06-01). Fireworks: warpdotdev/warp/issues/15107 (2026-08-13).
    r"The provided model identifier is invalid",
    r"Model not found\b",
    # NVIDIA: Alishahryar1/free-claude-code/issues/956 (2026-07-02), decolua/9router/issues/2617 (2026-07-14).
    r"Function '[\w-]+': Not found for account",
    r"The model \S+ has reached its end of life",
    # Groq: atiilla/sqlmap-ai/issues/3 (2025-08-21). Kimi: langgenius/dify-official-plugins/issues/3578 (2026-08-04).
    r"The model \S+ has been decommissioned",
    r"Not found the model\b",
    # Google: ai.google.dev/gemini-api/docs/troubleshooting (2026).
    r"models/\S+ is not found for API version",
    # OpenAI, vLLM, Ollama, Ark, SiliconFlow, DeepSeek.
    r"The (?:model|model or endpoint|model or service ID) \S+ does not exist",
    r"model ['\"`]?\S+?['\"`]? (?:was )?not found\b",
    r"Model does not exist\b",
    r"Model Not Exist\b",
)
_MISTAKE = (
    # llama.cpp under 500: ggml-org/llama.cpp/issues/13566 (2025-05-15), /10920 (2024-12-20), /26400 (2026-08-01);
    # sources of 2025 to 2026: tools/server, oaicompat_chat_params_parse.
    r"(?:image|audio) input is not supported",
    r"tools param requires --jinja flag",
    r"Cannot use tools with stream",
    r"Unsupported param: tool",
    r"(?:error: )?(?:cannot make GET request|invalid URL format|unsupported URL scheme)",
    r"Failed to (?:download|fetch|load|decode) (?:image|audio)",
    r"Either \"json_schema\" or \"grammar\" can be specified, but not both",
    r"Cannot use both json_schema and grammar",
    r"Cannot use custom grammar constraints with tools",
    r"Only one completion choice is allowed",
    r"\[json\.exception\.",
    # OpenRouter under 404: evalstate/fast-agent/issues/122 (2025-04-27), truefoundry/models/pull/826 (2026).
    r"No endpoints (?:found|available) (?:that support|matching)\b",
)

# A pattern counts where the words begin; the first that fits does.
_SENTENCES: tuple[tuple[Iterable[str], ErrorMeaning], ...] = (
    (_CONTEXT, TOO_LONG),
    # Zhipu 1113, 1308, 1310 without their codes: vercel/ai/issues/9290 (2025-10-08), continuedev/continue/issues/11823
    # (2026-03-25), gabrielkoerich/orch/pull/2844 (2026-04-19); docs.bigmodel.cn, api-code (2026).
    ((r"Insufficient balance or no resource package", r"余额不足或无可用资源包"), NO_CASH),
    ((r"Usage limit reached for 5 hour", r"已达到 ?5 ?小时的使用上限"), FIVE_HOURS),
    ((r"Weekly/Monthly Limit Exhausted", r"已达到每[周月]的?使用上限"), WEEK_OR_MONTH),
    (_MONEY, NO_MONEY),
    (_QUOTA, USED_UP),
    # Ollama's cloud: ollama/ollama/issues/15990 (2026-05-06).
    ((r"this model requires a subscription",), NO_PLAN),
    (_DAY, PER_DAY),
    (_FILTER, FILTERED),
    (_REGION, REGION),
    ((r"Open api qps request limit reached",), RATE),
    # Groq under 413, OpenAI under 429: HunorLaczko/ha-groq-cloud-api/issues/27 (2026-05-16),
    # vanna-ai/vanna-flask/issues/11 (2024-06-13).
    ((r"Request too large for [^\n]{1,200} on tokens per min",), _TOO_MUCH_AT_ONCE),
    (_MODEL, NO_MODEL),
    # Google and xAI, under 400: ai.google.dev/gemini-api/docs/troubleshooting (2026), openai/codex/issues/1352
    # (2025-06-19).
    ((r"API key not valid\.", r"Incorrect API key provided\b"), BAD_KEY),
    # NVIDIA under 400, for a while: decolua/9router/issues/2527 (2026-07-10).
    ((r"Function id '[\w-]+': DEGRADED function cannot be invoked",), SERVER),
    (_MISTAKE, MALFORMED),
    # Wrong paths. Z.ai's under 404, 500 and 200: chatboxai/chatbox/issues/3052 (2025-12-28); LM Studio's under 200:
    # n4ze3m/dialoqbase/issues/146 (2023-11-12), lmstudio-ai/lmstudio-bug-tracker/issues/1680 (2026-03-22).
    ((r"404 NOT_FOUND\b", r"Unexpected endpoint or method\b"), NO_ADDRESS),
    # Ollama before its cloud, under 400: ollama/ollama/issues/16082 (2026-05-10), ollama/ollama-js/issues/285.
    ((r"(?:Post \"https://ollama\.com\S*\": )?unexpected EOF$",), _LOST_UPSTREAM),
)
_PATTERNS = tuple(
    (re.compile("|".join(f"(?:{sentence})" for sentence in sentences), re.IGNORECASE), meaning)
    for sentences, meaning in _SENTENCES
)

# Meanings of codes that say so little that a known sentence says more.
_VAGUE = (None, MALFORMED, SERVER, RATE)


def refined(meaning: ErrorMeaning | None, message: str) -> ErrorMeaning | None:
    """What a code and the words beside it mean together: the words count where the code is unknown or vague."""
    if meaning not in _VAGUE:
        return meaning
    for at in sentence_starts(message):
        for pattern, found in _PATTERNS:
            if pattern.match(message, at):
                return found
    return meaning
