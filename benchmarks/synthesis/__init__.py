"""Tasks for `nnctrl synthesize`: sets, requirements and limits only, no network."""
