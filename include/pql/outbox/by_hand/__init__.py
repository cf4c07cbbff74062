"""What a person may do: look, retry, suppress, release silent openings, answer a storm."""
