"""The commands, by what they are for: computing, alerting, inspecting."""
