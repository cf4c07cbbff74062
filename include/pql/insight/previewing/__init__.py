"""What a change of a definition would have meant on history, before it goes live (PRODUCT-L)."""

from pql.insight.previewing.chosen import choose_against, read_draft
from pql.insight.previewing.made import preview
from pql.insight.previewing.model import Preview

__all__ = ["Preview", "choose_against", "preview", "read_draft"]
