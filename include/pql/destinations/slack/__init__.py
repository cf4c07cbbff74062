"""Slack as a destination: messages, answers in threads, tables of many, edits that take back, and what stands there."""

from pql.destinations.slack.destination import PACE, SlackDestination

__all__ = ["PACE", "SlackDestination"]
