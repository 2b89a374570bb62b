"""Markdown as people write it, HTML as it may be shown."""

import nh3
from markdown_it import MarkdownIt

from apps.core.errors import FieldError, Invalid

# HTML in the source stays text; bare addresses stay text; a line break is one, as in a mail. Neither tables nor links by
# reference: a short one of either becomes megabytes, of empty cells or of one long address said again and again.
_markdown = (
    MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": True})
    .enable("strikethrough")
    .disable("reference")
)
# What people write becomes twice as long at most; links in a row ten times.
MOST_TIMES = 15
ALWAYS_ACCEPTED = 10_000
TAGS = {
    "a", "blockquote", "br", "code", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s", "strong",
    "ul",
}  # fmt: skip
# No images: a remote one tells its server who reads when.
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
SCHEMES = {"http", "https", "mailto"}


def as_html(markdown: str) -> str:
    """Sanitised HTML: the tags above, links that tell nothing of where they were followed from, nothing that runs.

    Raises Invalid for what becomes more than MOST_TIMES as long, and more than ALWAYS_ACCEPTED characters.
    """
    html = nh3.clean(
        _markdown.render(markdown),
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes=SCHEMES,
        link_rel="noopener noreferrer nofollow",
    )
    if len(html) > max(ALWAYS_ACCEPTED, MOST_TIMES * len(markdown)):
        detail = f"As HTML it is more than {MOST_TIMES} times as long; accepted: less markup."
        raise Invalid(errors=[FieldError("/body", "too_much_markup", detail)])
    return html
