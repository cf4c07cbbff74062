"""The definition language: YAML in, typed definitions and every problem with file and line out."""

from pql.definition.lint import lint
from pql.definition.load import Loaded, load
from pql.definition.parse import parse, parse_vocabulary
from pql.definition.schema import json_schema

__all__ = ["Loaded", "json_schema", "lint", "load", "parse", "parse_vocabulary"]
