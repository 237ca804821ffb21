"""Problems, verdicts, falsification and the decision procedure."""
