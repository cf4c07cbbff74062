"""Decisions in, intended actions out: trigger, filter, actions, wording; pure."""
