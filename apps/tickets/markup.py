"""Markdown as people write it, HTML as it may be shown."""

import nh3
from markdown_it import MarkdownIt

# HTML in the source stays text; bare addresses become links; a line break is one, as in a mail.
_markdown = MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": True}).enable(
    ["table", "strikethrough"]
)
TAGS = {
    "a", "blockquote", "br", "code", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s", "strong",
    "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
# No images: a remote one tells its server who reads when.
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
SCHEMES = {"http", "https", "mailto"}


def as_html(markdown: str) -> str:
    """Sanitised HTML: the tags above, links that tell nothing of where they were followed from, nothing that runs."""
    return nh3.clean(
        _markdown.render(markdown),
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes=SCHEMES,
        link_rel="noopener noreferrer nofollow",
    )
