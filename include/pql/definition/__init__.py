"""The definition language: YAML text in, a typed `Definition` or a list of located errors out."""
