"""The messages that are sent: system message, those of a session and a request file, prompt, attachments, stdin."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from glmcli.chat.messages import Message
from glmcli.config import attachments
from glmcli.config.options import SystemText
from glmcli.console.stdin import Stdin, decode, read_file
from glmcli.console.terminal import STDIN, Terminal
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.chat.messages import Media
    from glmcli.config.options import Options

    Parts = tuple[str | Media, ...]

_STDIN = "-"
_FROM_THE_MIDDLE = (
    "stdin is a file of which {} bytes were read before, and the rest goes with the prompt: in a loop over its lines, "
    "--no-stdin or </dev/null leaves them to the loop"
)


def new_messages(options: Options, stdin: Stdin, terminal: Terminal) -> tuple[Message, ...]:
    """The messages that the user adds now, without the system message.

    Raises:
        UsageError: the message is empty, or a file or stdin is no text.
    """
    return messages_of(options, stdin, terminal, lambda: _user_content(options, stdin, terminal))


def messages_of(
    options: Options, stdin: Stdin, terminal: Terminal, prompt: Callable[[], tuple[str, tuple[Media, ...]]]
) -> tuple[Message, ...]:
    """As `new_messages`, with the user message from `prompt`, which is called after the files of other flags are read.

    `prompt` returns its text, and the pictures among attachments and stdin.

    Raises:
        UsageError: as `new_messages`.
    """
    media, parts = _media(options, stdin, terminal)
    messages = tuple(
        Message(
            given["role"], given["content"], given.get("reasoning", ""), parts=own, partial=given.get("partial", False)
        )
        for given, own in zip(options.messages, parts, strict=True)
    )
    if any(message.role == "user" and not (message.text.strip() or message.media) for message in messages):
        raise UsageError(message="a user message is empty", fix="give it text, or leave it out")
    return _with_question(messages, options, media, prompt())


def with_question(
    messages: tuple[Message, ...],
    options: Options,
    stdin: Stdin,
    terminal: Terminal,
    content: tuple[str, tuple[Media, ...]],
) -> tuple[Message, ...]:
    """These messages, and the media of the options and a text and pictures as one more user message, if there are any.

    Raises:
        UsageError: a file cannot be read or is no medium, or there is no message at all.
    """
    media, _ = _media(options.replace(messages=()), stdin, terminal)
    return _with_question(messages, options, media, content)


def _with_question(
    messages: tuple[Message, ...],
    options: Options,
    media: tuple[Media, ...],
    content: tuple[str, tuple[Media, ...]],
) -> tuple[Message, ...]:
    """The messages with what the user message holds."""
    text, pictures = content
    if options.detail:
        pictures = tuple(picture.replace(detail=options.detail) for picture in pictures)
    media = (*media, *pictures)
    if text.strip():
        return (*messages, Message("user", text, parts=media))
    if media and messages and messages[-1].role == "user":
        return (*messages[:-1], messages[-1].replace(parts=(*messages[-1].parts, *media)))
    if media:
        raise UsageError(
            message="the prompt is empty: what is asked of this?",
            fix='as in glm vision --image cat.jpg "What is this?"',
        )
    if not messages:
        raise UsageError(message="the prompt is empty", fix='give one, as in glm ask "Who are you", or pipe it in')
    return messages


def _media(options: Options, stdin: Stdin, terminal: Terminal) -> tuple[tuple[Media, ...], list[Parts]]:
    """Pictures, videos and files: those beside the prompt, and the parts of each message of the request file."""
    parts = [message.get("parts", ()) for message in options.messages]
    if not (options.media or any(parts)):
        return (), parts
    from glmcli.config.media_files import MediaFiles

    files = MediaFiles(stdin, terminal, options.detail)
    read = [files.parts(each) for each in parts]
    return files.beside_prompt(options.media), read


def _user_content(options: Options, stdin: Stdin, terminal: Terminal) -> tuple[str, tuple[Media, ...]]:
    """The text of the user message, and the pictures among attachments and stdin."""
    prompt = "" if options.prompt in (None, _STDIN) else options.prompt
    attached = attachments.read(options.attach, stdin, terminal)
    parts, pictures = [prompt, *attached.texts] if prompt else [*attached.texts], attached.pictures
    begins_at = stdin.begins_at
    piped = _piped(options, stdin)
    if piped:
        if begins_at and (prompt or options.messages or options.attach):
            terminal.note(_FROM_THE_MIDDLE.format(begins_at))
        if isinstance(piped, str):
            parts.append(piped)
        else:
            pictures = (*pictures, piped)
    elif piped is not None:
        if options.need_stdin:
            raise UsageError(
                message="stdin is empty", fix="check the command before the pipe; --need-stdin asked for it"
            )
        if prompt:
            sent = "the prompt and its media are" if options.media or pictures else "the prompt is"
            terminal.note(f"stdin is empty; only {sent} sent")
    elif options.need_stdin and not stdin.was_read:
        raise UsageError(message="stdin is no pipe and no file", fix="pipe something in; --need-stdin asked for it")
    return "\n\n".join(parts), pictures


def _piped(options: Options, stdin: Stdin) -> str | Media | None:
    """The text or picture on stdin, or None if it is not read."""
    if options.no_stdin:
        return None
    if stdin.has_input or options.prompt == _STDIN:
        return attachments.text_or_picture(stdin.read("the prompt", may_be_ignored=True), "stdin", _STDIN)
    needed = not (options.prompt or options.messages or options.attach)
    if needed and not stdin.is_claimed and os.isatty(STDIN):
        raise UsageError(message="no prompt", fix='give one, as in glm ask "Who are you", or pipe it in')
    return None


def refuse_data(messages: tuple[Message, ...]) -> None:
    """Refuse files in a session: their bytes would be sent again with every later question.

    Raises:
        UsageError: a message contains a file.
    """
    if any(media.data for message in messages for media in message.media):
        raise UsageError(
            message="--session keeps words and URLs, not the bytes of a file",
            fix="leave out --session, or upload the file and give its URL",
        )


def system_message(options: Options, stdin: Stdin) -> Message | None:
    """The system message, read from a file where it begins with `@`.

    Raises:
        UsageError: the file cannot be read or is no text.
    """
    if options.system is None:
        return None
    if isinstance(options.system, SystemText):
        return Message("system", options.system.text)
    if not options.system.startswith("@"):
        return Message("system", options.system)
    path = options.system[1:]
    return Message("system", decode(read_file(path, "--system", stdin), f"--system {path}"))


def conversation(system: Message | None, earlier: tuple[Message, ...], new: tuple[Message, ...]) -> tuple[Message, ...]:
    """All messages in the order in which they are sent; a new system message replaces an earlier one.

    Raises:
        UsageError: there are two new ones.
    """
    in_new = tuple(message for message in new if message.role == "system")
    if system and in_new:
        raise UsageError(
            message="there is a system message both in --system and in messages", fix="leave one of them out"
        )
    if not system and not earlier:
        return new  # as the request file has it
    first = ((system,) if system else in_new) or tuple(message for message in earlier if message.role == "system")
    return (*first, *(message for message in (*earlier, *new) if message.role != "system"))
