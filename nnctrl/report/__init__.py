"""Results and problems for people: words, tables, TOML, and a folder with pictures."""
