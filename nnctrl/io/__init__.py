"""Files: problems that users name, and results that nnctrl writes."""
